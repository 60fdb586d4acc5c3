package config

import (
	"context"
	"fmt"
	"strings"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/kernel/config/document"
	"github.com/hansom-platform/hansom/kernel/config/history"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

const (
	maxEdits   = 100
	maxMessage = 4 << 10
)

// Update implements configpb.ConfigServer.
func (s *server) Update(ctx context.Context, r *configpb.UpdateRequest) (*configpb.UpdateResponse, error) {
	c := callerOf(ctx)
	if err := checkMessage(r.GetMessage()); err != nil {
		return nil, err
	}
	if n := len(r.GetEdits()); n == 0 || n > maxEdits {
		return nil, fault.New(fault.BadRequest, "kernel.config.edits", "the change has %d edits; it must have 1 to %d", n, maxEdits)
	}
	for _, e := range r.GetEdits() {
		if err := c.mayEdit(e.GetId()); err != nil {
			return nil, err
		}
	}
	done, err := s.change(ctx, c.author, r.GetMessage(), r.GetDryRun(), func(state *history.State) ([]history.Edit, error) {
		return s.edits(c, state, r.GetEdits())
	})
	if err != nil {
		return nil, err
	}
	shown, _, omitted := cut(done.changes, 0)
	return &configpb.UpdateResponse{Revision: done.revision, Changes: shown, Omitted: omitted}, nil
}

func checkMessage(m string) error {
	if strings.TrimSpace(m) == "" {
		return fault.New(fault.BadRequest, "kernel.config.message", "a change needs a message that says why it is made")
	}
	if len(m) > maxMessage {
		return fault.New(fault.BadRequest, "kernel.config.message", "the message has %d bytes; at most %d are allowed", len(m), maxMessage)
	}
	return nil
}

// changed tells of a change that was made, or would be.
type changed struct {
	revision uint64
	changes  []*configpb.Change
}

// change appends what decide makes of the newest state, if that satisfies the schemas. In a dry run it only tells.
func (s *server) change(ctx context.Context, author, message string, dry bool, decide func(*history.State) ([]history.Edit, error)) (changed, error) {
	if err := s.ready(); err != nil {
		return changed{}, err
	}
	var changes []*configpb.Change
	judged := func(state *history.State) ([]history.Edit, error) {
		changes = nil
		edits, err := decide(state)
		if err != nil || len(edits) == 0 {
			return nil, err
		}
		if err := s.schemas.judge(state.With(edits), edits); err != nil {
			return nil, err
		}
		for _, e := range edits {
			changes = append(changes, leafChanges(e.ID, state.Get(e.ID).Object(), e.Value)...)
		}
		return edits, nil
	}
	if dry {
		state, err := s.history.CatchUp(ctx)
		if err != nil {
			return changed{}, err
		}
		_, err = judged(state)
		return changed{state.Revision, changes}, err
	}
	state, entry, err := s.history.Append(ctx, author, message, judged)
	if err != nil {
		return changed{}, err
	}
	if entry != nil {
		s.log.InfoContext(ctx, "configuration changed", "revision", entry.Revision, "author", author, "ids", entry.IDs())
		s.outbox.add(entry)
	}
	return changed{state.Revision, changes}, nil
}

// edits returns what a request makes of a state, without what changes nothing.
func (s *server) edits(c caller, state *history.State, wanted []*configpb.Edit) ([]history.Edit, error) {
	var edits []history.Edit
	seen := map[string]bool{}
	for _, e := range wanted {
		id := e.GetId()
		if err := checkID(id); err != nil {
			return nil, err
		}
		if seen[id] {
			return nil, fault.New(fault.BadRequest, "kernel.config.edits", "the change edits %s twice; make one edit of it", id)
		}
		seen[id] = true
		current := state.Get(id)
		if err := checkExpected(e, current); err != nil {
			return nil, err
		}
		v, err := s.edited(c, e, current)
		if err != nil {
			return nil, err
		}
		if !document.Same(current.Object(), v) {
			edits = append(edits, history.Edit{ID: id, Value: v})
		}
	}
	return edits, nil
}

func checkExpected(e *configpb.Edit, current *history.Document) error {
	if !e.GetCheckRevision() && e.GetExpectedRevision() == 0 {
		return nil
	}
	var at uint64
	if current.Live() {
		at = current.Revision
	}
	if at == e.GetExpectedRevision() {
		return nil
	}
	return fault.New(fault.Conflict, "kernel.config.conflict", "%s; you expected it to be %s: read it again and decide anew",
		standing(e.GetId(), current), expectation(e.GetExpectedRevision()))
}

func standing(id string, d *history.Document) string {
	switch {
	case d == nil:
		return "there is no document " + id
	case !d.Live():
		return fmt.Sprintf("%s was deleted by %s at revision %d", id, d.Author, d.Revision)
	}
	return fmt.Sprintf("%s is at revision %d, by %s", id, d.Revision, d.Author)
}

func expectation(revision uint64) string {
	if revision == 0 {
		return "absent"
	}
	return fmt.Sprintf("at revision %d", revision)
}

// edited returns what an edit makes of a document.
func (s *server) edited(c caller, e *configpb.Edit, current *history.Document) (any, error) {
	switch e.GetKind() {
	case configpb.Edit_KIND_DELETE:
		if !current.Live() {
			return nil, notFound(e.GetId(), current)
		}
		return document.Absent, nil
	case configpb.Edit_KIND_REPLACE, configpb.Edit_KIND_MERGE:
	default:
		return nil, fault.New(fault.BadRequest, "kernel.config.edits", "the edit of %s must say whether to replace, merge or delete", e.GetId())
	}
	given, err := s.read(c, e.GetId(), e.GetJson(), current.Object())
	if err != nil {
		return nil, err
	}
	if e.GetKind() == configpb.Edit_KIND_MERGE {
		var target any = map[string]any{}
		if current.Live() {
			target = current.Value
		}
		given = document.Merge(target, given)
	}
	return given, s.checkDocument(e.GetId(), given)
}

func notFound(id string, d *history.Document) error {
	return fault.New(fault.NotFound, "kernel.config.not_found", "%s", standing(id, d))
}

// read parses what an author wrote, and seals its secrets.
func (s *server) read(c caller, id string, text []byte, stored any) (any, error) {
	v, err := document.Parse(text)
	if err != nil {
		return nil, badDocument(id, err)
	}
	if _, ok := v.(map[string]any); !ok {
		return nil, badDocument(id, fmt.Errorf("a document is an object: {...}"))
	}
	v, err = document.ReadSecrets(v, func(path []string, g document.Given) (document.Secret, error) {
		return s.sealer.sealGiven(c, id, stored, path, g)
	})
	if fault.Is(err, fault.Forbidden) {
		return nil, err
	}
	if err != nil {
		return nil, badDocument(id, err)
	}
	if _, ok := v.(map[string]any); !ok {
		return nil, badDocument(id, fmt.Errorf("a secret is the value of a member, and not the whole document"))
	}
	return v, nil
}

func badDocument(id string, err error) error {
	return fault.New(fault.BadRequest, "kernel.config.document", "%s: %s", id, err.Error())
}

// checkDocument checks a document as it would be stored.
func (s *server) checkDocument(id string, v any) error {
	if n := len(document.EncodeStored(v)); n > document.MaxSize {
		return badDocument(id, fmt.Errorf("the document would have %d bytes; at most %d are allowed", n, document.MaxSize))
	}
	if isSchema(id) {
		_, err := s.schemas.read(id, v)
		return err
	}
	return nil
}

// leafChanges describes what changes of one document. Secrets are hidden, but that they change is told.
func leafChanges(id string, before, after any) []*configpb.Change {
	var all []*configpb.Change
	for _, c := range document.Changes(before, after) {
		all = append(all, &configpb.Change{
			Id: id, Path: document.Pointer(c.Path...), Before: encodeLeaf(c.Before), After: encodeLeaf(c.After),
		})
	}
	return all
}

func encodeLeaf(v any) []byte {
	if document.IsAbsent(v) {
		return nil
	}
	return document.Encode(v)
}
