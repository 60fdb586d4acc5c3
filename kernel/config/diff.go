package config

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/kernel/config/document"
	"github.com/hansom-platform/hansom/kernel/config/history"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

const narrower = "narrow it with prefix"

// Diff implements configpb.ConfigServer. Secrets of another environment's export are compared by who may
// read them only: nobody sees their values.
func (s *server) Diff(ctx context.Context, r *configpb.DiffRequest) (*configpb.DiffResponse, error) {
	state, err := s.stateFor(ctx, callerOf(ctx), max(r.GetFromRevision(), r.GetToRevision()))
	if err != nil {
		return nil, err
	}
	from, err := s.history.StateAt(ctx, state, r.GetPrefix(), cmp.Or(r.GetFromRevision(), state.Revision))
	if err != nil {
		return nil, err
	}
	response := &configpb.DiffResponse{Revision: state.Revision}
	if len(r.GetToExport()) > 0 {
		response.Changes, err = againstExport(from, r.GetPrefix(), r.GetToExport())
	} else {
		var to *history.State
		if to, err = s.history.StateAt(ctx, state, r.GetPrefix(), cmp.Or(r.GetToRevision(), state.Revision)); err == nil {
			response.Changes = between(from, to, r.GetPrefix())
		}
	}
	if err != nil {
		return nil, err
	}
	return fits(response, narrower)
}

func between(from, to *history.State, prefix string) []*configpb.Change {
	ids := map[string]any{}
	for _, s := range []*history.State{from, to} {
		for d := range s.All(prefix) {
			ids[d.ID] = nil
		}
	}
	var all []*configpb.Change
	for _, id := range document.Members(ids) {
		all = append(all, leafChanges(id, from.Get(id).Object(), to.Get(id).Object())...)
	}
	return all
}

func againstExport(from *history.State, prefix string, export []byte) ([]*configpb.Change, error) {
	var read struct {
		Documents map[string]json.RawMessage `json:"documents"`
	}
	if err := json.Unmarshal(export, &read); err != nil || read.Documents == nil {
		return nil, fault.New(fault.BadRequest, "kernel.config.export", "this is no export of an environment's configuration: it must be an object with documents")
	}
	ids, others := map[string]any{}, map[string]any{}
	for id, text := range read.Documents {
		v, err := document.Parse(text)
		if err != nil {
			return nil, badDocument(id, err)
		}
		if strings.HasPrefix(id, prefix) {
			ids[id], others[id] = nil, document.ReadStored(id, v)
		}
	}
	for d := range from.All(prefix) {
		ids[d.ID] = nil
	}
	var all []*configpb.Change
	for _, id := range document.Members(ids) {
		other, ok := others[id]
		if !ok {
			other = document.Absent
		}
		all = append(all, leafChanges(id, hidden(from.Get(id).Object()), other)...)
	}
	return all, nil
}

// hidden returns a value whose secrets say no more than an export does: who may read them.
func hidden(v any) any {
	v, _ = document.Reveal(v, func(_ []string, s document.Secret) (any, error) { return document.Secret{For: s.For}, nil })
	return v
}

// Export implements configpb.ConfigServer.
func (s *server) Export(ctx context.Context, r *configpb.ExportRequest) (*configpb.ExportResponse, error) {
	state, revision, err := s.asOf(ctx, callerOf(ctx), r.GetAsOf())
	if err != nil {
		return nil, err
	}
	past, err := s.history.StateAt(ctx, state, r.GetPrefix(), revision)
	if err != nil {
		return nil, err
	}
	documents := map[string]any{}
	for d := range past.All(r.GetPrefix()) {
		if d.Live() {
			documents[d.ID] = d.Value
		}
	}
	text := document.Encode(map[string]any{
		"environment": s.config.Environment,
		"revision":    json.Number(strconv.FormatUint(revision, 10)),
		"documents":   documents,
	})
	return fits(&configpb.ExportResponse{Document: text}, narrower)
}

const (
	defaultRevisions = 50
	maxRevisions     = 1000
)

// History implements configpb.ConfigServer.
func (s *server) History(ctx context.Context, r *configpb.HistoryRequest) (*configpb.HistoryResponse, error) {
	if r.GetLimit() > maxRevisions {
		return nil, fault.New(fault.BadRequest, "kernel.config.limit", "a page of the history has at most %d revisions; %d are asked for", maxRevisions, r.GetLimit())
	}
	state, err := s.stateFor(ctx, callerOf(ctx), 0)
	if err != nil {
		return nil, err
	}
	limit := int(cmp.Or(r.GetLimit(), defaultRevisions))
	revisions := newest(state, r.GetPrefix(), r.GetBefore(), limit+1)
	response := &configpb.HistoryResponse{More: len(revisions) > limit}
	entries, err := s.history.Entries(ctx, revisions[:min(len(revisions), limit)])
	if err != nil {
		return nil, err
	}
	size := 0
	for _, e := range entries {
		shown, err := s.revision(ctx, state, e, r.GetChanges())
		if err != nil {
			return nil, err
		}
		if size += proto.Size(shown); size > pageSize && len(response.GetRevisions()) > 0 {
			response.More = true
			break
		}
		response.Revisions = append(response.Revisions, shown)
	}
	return fits(response, "ask without changes")
}

// newest returns the newest revisions that touched documents whose ids begin with prefix, before one that
// is not 0.
func newest(state *history.State, prefix string, before uint64, limit int) []uint64 {
	if before == 0 || before > state.Revision {
		before = state.Revision + 1
	}
	var all []uint64
	if prefix == "" {
		for r := before - 1; r > 0 && len(all) < limit; r-- {
			all = append(all, r)
		}
		return all
	}
	for d := range state.All(prefix) {
		n := 0
		for _, r := range slices.Backward(d.Revisions()) {
			if r >= before {
				continue
			}
			if n++; n > limit {
				break
			}
			all = append(all, r)
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	slices.Reverse(all)
	return all[:min(len(all), limit)]
}

func (s *server) revision(ctx context.Context, state *history.State, e *history.Entry, changes bool) (*configpb.Revision, error) {
	shown := &configpb.Revision{
		Revision: e.Revision, Author: e.Author, Message: e.Message, At: timestamppb.New(e.At), Ids: e.IDs(),
	}
	if !changes {
		return shown, nil
	}
	for _, edit := range e.Edits {
		before, err := s.history.At(ctx, state, edit.ID, e.Revision-1)
		if err != nil {
			return nil, fmt.Errorf("what %s was before revision %d: %w", edit.ID, e.Revision, err)
		}
		shown.Changes = append(shown.Changes, leafChanges(edit.ID, before.Object(), edit.Value)...)
	}
	return shown, nil
}
