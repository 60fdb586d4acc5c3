package config

import (
	"context"
	"slices"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/kernel/config/document"
	"github.com/hansom-platform/hansom/kernel/config/history"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

// Rollback implements configpb.ConfigServer.
func (s *server) Rollback(ctx context.Context, r *configpb.RollbackRequest) (*configpb.RollbackResponse, error) {
	c := callerOf(ctx)
	if err := checkMessage(r.GetMessage()); err != nil {
		return nil, err
	}
	if err := s.ready(); err != nil {
		return nil, err
	}
	least := max(r.GetTo(), r.GetUndo(), r.GetSeen())
	if _, err := s.history.Reach(ctx, least); err != nil {
		return nil, err
	}
	if err := checkRollback(r); err != nil {
		return nil, err
	}
	var conflicts []*configpb.Conflict
	done, err := s.change(ctx, c.author, r.GetMessage(), r.GetDryRun(), func(state *history.State) ([]history.Edit, error) {
		b := back{server: s, state: state, request: r}
		edits, err := b.edits(ctx)
		conflicts = b.conflicts
		if len(conflicts) > 0 {
			return nil, err
		}
		return edits, err
	})
	if err != nil {
		return nil, err
	}
	shown, size, omitted := cut(conflicts, 0)
	response := &configpb.RollbackResponse{Conflicts: shown, Omitted: omitted}
	response.Changes, _, omitted = cut(done.changes, size)
	response.Omitted += omitted
	if len(conflicts) == 0 && !r.GetDryRun() {
		response.Revision = done.revision
	}
	return response, nil
}

func checkRollback(r *configpb.RollbackRequest) error {
	switch r.GetWhat().(type) {
	case *configpb.RollbackRequest_To:
		if r.GetSeen() == 0 && !r.GetForce() {
			return badRollback("say up to which revision you have seen the history (seen), so that later changes by others are not lost unnoticed")
		}
		if r.GetSeen() != 0 && r.GetSeen() < r.GetTo() {
			return badRollback("you have seen the history up to revision %d, and want to go back to a later one, %d", r.GetSeen(), r.GetTo())
		}
		return nil
	case *configpb.RollbackRequest_Undo:
		if r.GetUndo() > 0 {
			return nil
		}
	}
	return badRollback("say which revision to go back to, or which one to undo")
}

func badRollback(format string, args ...any) error {
	return fault.New(fault.BadRequest, "kernel.config.rollback", format, args...)
}

// back works out a rollback of a state.
type back struct {
	*server
	state     *history.State
	request   *configpb.RollbackRequest
	conflicts []*configpb.Conflict
}

func (b *back) edits(ctx context.Context) ([]history.Edit, error) {
	if b.request.GetUndo() > 0 {
		return b.undo(ctx)
	}
	return b.restore(ctx)
}

// restore returns the edits that make documents what they were.
func (b *back) restore(ctx context.Context) ([]history.Edit, error) {
	var edits []history.Edit
	for now := range b.state.All("") {
		if b.request.GetId() != "" && b.request.GetId() != now.ID {
			continue
		}
		was, err := b.history.At(ctx, b.state, now.ID, b.request.GetTo())
		if err != nil {
			return nil, err
		}
		changes := document.Changes(now.Object(), was.Object())
		if len(changes) == 0 {
			continue
		}
		edits = append(edits, history.Edit{ID: now.ID, Value: was.Object()})
		if !b.request.GetForce() {
			if err := b.collide(ctx, now, b.request.GetSeen(), changes); err != nil {
				return nil, err
			}
		}
	}
	if len(edits) == 0 && b.request.GetId() != "" && b.state.Get(b.request.GetId()) == nil {
		return nil, notFound(b.request.GetId(), nil)
	}
	return edits, nil
}

// undo returns the edits that take back what one revision did.
func (b *back) undo(ctx context.Context) ([]history.Edit, error) {
	e, err := b.history.Entry(ctx, b.request.GetUndo())
	if err != nil {
		return nil, err
	}
	var edits []history.Edit
	for _, done := range e.Edits {
		if b.request.GetId() != "" && b.request.GetId() != done.ID {
			continue
		}
		v, err := b.undone(ctx, e.Revision, done)
		if err != nil {
			return nil, err
		}
		if !document.Same(v, b.state.Get(done.ID).Object()) {
			edits = append(edits, history.Edit{ID: done.ID, Value: v})
		}
	}
	return edits, nil
}

// undone returns what a document is without one revision's edit of it.
func (b *back) undone(ctx context.Context, revision uint64, done history.Edit) (any, error) {
	before, err := b.history.At(ctx, b.state, done.ID, revision-1)
	if err != nil {
		return nil, err
	}
	now := b.state.Get(done.ID)
	changes := document.Changes(before.Object(), done.Value)
	whole := !before.Live() || document.IsAbsent(done.Value)
	if whole { // it was made or deleted, so whatever came later is about the same
		changes = append(changes, document.Change{Before: before.Object(), After: done.Value})
	}
	if !b.request.GetForce() {
		if err := b.collide(ctx, now, revision, changes); err != nil {
			return nil, err
		}
	}
	if whole || !now.Live() {
		return before.Object(), nil
	}
	return reversed(now.Value, changes), nil
}

// reversed returns v with changes taken back: first what was added goes, then
// what was there comes back, since the one may be in the place of the other.
func reversed(v any, changes []document.Change) any {
	for _, c := range slices.Backward(changes) {
		if document.IsAbsent(c.Before) {
			v = document.Without(v, c.Path, true)
		}
	}
	for _, c := range changes {
		if !document.IsAbsent(c.Before) {
			v = document.With(v, c.Path, c.Before)
		}
	}
	return v
}

// collide notes the edits after a revision of leaves that are among changes.
func (b *back) collide(ctx context.Context, now *history.Document, after uint64, changes []document.Change) error {
	var before any
	for _, r := range now.Revisions() {
		if r <= after {
			continue
		}
		if before == nil {
			was, err := b.history.At(ctx, b.state, now.ID, r-1)
			if err != nil {
				return err
			}
			before = was.Object()
		}
		then, err := b.history.At(ctx, b.state, now.ID, r)
		if err != nil {
			return err
		}
		for _, c := range document.Changes(before, then.Object()) {
			if slices.ContainsFunc(changes, func(mine document.Change) bool { return overlap(mine.Path, c.Path) }) {
				b.conflicts = append(b.conflicts, &configpb.Conflict{
					Id: now.ID, Path: document.Pointer(c.Path...), Revision: r, Author: then.Author, Message: then.Message,
				})
			}
		}
		before = then.Object()
	}
	return nil
}

// overlap reports whether one path is the other, or leads to it.
func overlap(a, b []string) bool {
	n := min(len(a), len(b))
	return slices.Equal(a[:n], b[:n])
}
