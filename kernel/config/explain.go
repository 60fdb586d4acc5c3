package config

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/kernel/config/document"
	"github.com/hansom-platform/hansom/kernel/config/history"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

// Explain implements configpb.ConfigServer.
func (s *server) Explain(ctx context.Context, r *configpb.ExplainRequest) (*configpb.ExplainResponse, error) {
	state, revision, err := s.asOf(ctx, callerOf(ctx), r.GetAsOf())
	if err != nil {
		return nil, err
	}
	ids, err := s.layers(r.GetLayers())
	if err != nil {
		return nil, err
	}
	x := explanation{server: s, tokens: document.Tokens(r.GetPath())}
	if x.merged, err = s.merge(ctx, state, ids, revision); err != nil {
		return nil, err
	}
	for _, id := range ids {
		d, err := s.history.At(ctx, state, id, revision)
		if err != nil {
			return nil, err
		}
		if d.Live() {
			x.layers = append([]*history.Document{d}, x.layers...)
		}
	}
	leaves, err := x.leaves(ctx)
	if err != nil {
		return nil, err
	}
	if len(leaves) == 0 && len(x.tokens) > 0 {
		return nil, fault.New(fault.NotFound, "kernel.config.path", "no layer says anything of %q at revision %d", r.GetPath(), revision)
	}
	return fits(&configpb.ExplainResponse{Leaves: leaves, Revision: revision}, "ask for the part that you want with path")
}

// explanation finds out which layers say what of a compiled configuration.
type explanation struct {
	*server
	tokens []string
	merged any
	layers []*history.Document // the last merged first
}

// leaves explains the leaves at and below the wanted path. One that a layer removed is
// among them when it was asked for by its own path.
func (x *explanation) leaves(ctx context.Context) ([]*configpb.Leaf, error) {
	part, ok := document.At(x.merged, x.tokens)
	if !ok {
		part = document.Absent
	}
	var all []*configpb.Leaf
	for _, l := range document.Leaves(part) {
		path := append(x.tokens[:len(x.tokens):len(x.tokens)], l.Path...)
		leaf, err := x.leaf(ctx, path, l.Value)
		if err != nil {
			return nil, err
		}
		if leaf != nil {
			all = append(all, leaf)
		}
	}
	return all, nil
}

// leaf explains one leaf; nil where no layer says anything of it.
func (x *explanation) leaf(ctx context.Context, path []string, value any) (*configpb.Leaf, error) {
	var leaf *configpb.Leaf
	for _, d := range x.layers {
		said, at, ok := says(d, path)
		if !ok {
			continue
		}
		if leaf != nil {
			leaf.Overridden = append(leaf.Overridden, &configpb.Overridden{Id: d.ID, Revision: d.Origin.At(at), Value: document.Encode(said)})
			continue
		}
		e, err := x.history.Entry(ctx, d.Origin.At(at))
		if err != nil {
			return nil, err
		}
		leaf = &configpb.Leaf{
			Path: document.Pointer(path...), Value: encodeLeaf(value), Id: d.ID,
			Revision: e.Revision, Author: e.Author, Message: e.Message, At: timestamppb.New(e.At),
		}
	}
	return leaf, nil
}

// says returns what a layer says of a path: what is there, or what is on the way to it and no
// object; null is a removal. at is where it says so.
func says(d *history.Document, path []string) (said any, at []string, ok bool) {
	v := d.Value
	for n, name := range path {
		m, isObject := v.(map[string]any)
		if !isObject {
			return v, path[:n], true
		}
		if v, ok = m[name]; !ok {
			return nil, nil, false
		}
	}
	return v, path, true
}
