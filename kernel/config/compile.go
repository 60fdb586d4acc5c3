package config

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/kernel/config/document"
	"github.com/hansom-platform/hansom/kernel/config/history"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

// Compile implements configpb.ConfigServer.
func (s *server) Compile(ctx context.Context, r *configpb.CompileRequest) (*configpb.CompileResponse, error) {
	c := callerOf(ctx)
	state, err := s.stateFor(ctx, c, max(r.GetAsOf(), r.GetAtLeast()))
	if err != nil {
		return nil, err
	}
	compiled, err := s.compile(ctx, c, state, r)
	if err != nil {
		return nil, err
	}
	return fits(compiled, "move what is large out of the layers, into a document of its own or another store")
}

// MultiCompile implements configpb.ConfigServer.
func (s *server) MultiCompile(ctx context.Context, r *configpb.MultiCompileRequest) (*configpb.MultiCompileResponse, error) {
	const most = 1000
	if len(r.GetRequests()) > most {
		return nil, fault.New(fault.BadRequest, "kernel.config.too_many", "%d are to be compiled; at most %d at once", len(r.GetRequests()), most)
	}
	var least uint64
	for _, one := range r.GetRequests() {
		least = max(least, one.GetAsOf(), one.GetAtLeast())
	}
	c := callerOf(ctx)
	state, err := s.stateFor(ctx, c, least)
	if err != nil {
		return nil, err
	}
	all := &configpb.MultiCompileResponse{}
	for _, one := range r.GetRequests() {
		compiled, err := s.compile(ctx, c, state, one)
		if err != nil {
			return nil, err
		}
		all.Responses = append(all.Responses, compiled)
	}
	return fits(all, "compile fewer at once")
}

// stateFor returns the state that answers the caller, at least at the given revision. Administrators see
// what anybody has written, as long as the store answers.
func (s *server) stateFor(ctx context.Context, c caller, least uint64) (*history.State, error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	if c.admin {
		state, err := s.history.CatchUp(ctx)
		if err == nil && state.Revision >= least {
			return state, nil
		}
		if err != nil {
			s.log.WarnContext(ctx, "the store cannot be asked for newer configuration; answering from memory", "error", err)
		}
	}
	return s.history.Reach(ctx, least)
}

func (s *server) compile(ctx context.Context, c caller, state *history.State, r *configpb.CompileRequest) (*configpb.CompileResponse, error) {
	if err := c.mayCompile(r.GetLayers().GetService()); err != nil {
		return nil, err
	}
	ids, err := s.layers(r.GetLayers())
	if err != nil {
		return nil, err
	}
	revision := state.Revision
	if r.GetAsOf() != 0 {
		revision = r.GetAsOf()
	}
	var one *rendering
	if revision == state.Revision && r.GetPath() == "" {
		one, err = s.renderings.of(state, ids, c.service, func() (*rendering, error) {
			return s.render(ctx, c, state, ids, r, revision)
		})
	} else {
		one, err = s.render(ctx, c, state, ids, r, revision)
	}
	if err != nil {
		return nil, err
	}
	response := &configpb.CompileResponse{Hash: one.hash, Revision: revision, Unchanged: one.hash == r.GetHash()}
	if !response.GetUnchanged() {
		response.Document = one.text
	}
	return response, nil
}

// render merges the layers and shows what the caller may see of them.
func (s *server) render(ctx context.Context, c caller, state *history.State, ids []string, r *configpb.CompileRequest, revision uint64) (*rendering, error) {
	merged, err := s.merge(ctx, state, ids, revision)
	if err != nil {
		return nil, err
	}
	if merged, err = s.sealer.reveal(merged, c.reads); err != nil {
		return nil, err
	}
	part, ok := document.At(merged, document.Tokens(r.GetPath()))
	if !ok {
		return nil, fault.New(fault.NotFound, "kernel.config.path", "there is nothing at %q in the configuration of %q at revision %d",
			r.GetPath(), r.GetLayers().GetService(), revision)
	}
	text := document.Encode(part)
	return &rendering{text: text, hash: hash(text)}, nil
}

func hash(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// merge returns the layers, merged, as they were at a revision that the state has reached.
func (s *server) merge(ctx context.Context, state *history.State, ids []string, revision uint64) (any, error) {
	var merged any = map[string]any{}
	for _, id := range ids {
		d, err := s.history.At(ctx, state, id, revision)
		if err != nil {
			return nil, err
		}
		if d.Live() {
			merged = document.Merge(merged, d.Value)
		}
	}
	return merged, nil
}
