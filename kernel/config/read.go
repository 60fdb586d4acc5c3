package config

import (
	"context"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/kernel/config/document"
	"github.com/hansom-platform/hansom/kernel/config/history"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

// What goes into one message of the bus, which takes 1 MiB.
const (
	maxAnswer = 960 << 10
	pageSize  = 640 << 10 // lists begin another page beyond
)

// Read implements configpb.ConfigServer.
func (s *server) Read(ctx context.Context, r *configpb.ReadRequest) (*configpb.ReadResponse, error) {
	c := callerOf(ctx)
	if err := checkID(r.GetId()); err != nil {
		return nil, err
	}
	if !c.mayRead(r.GetId()) {
		return nil, denied("%s may read neither layers nor schemas; it asked for %s", c.author, r.GetId())
	}
	state, revision, err := s.asOf(ctx, c, r.GetAsOf())
	if err != nil {
		return nil, err
	}
	d, err := s.history.At(ctx, state, r.GetId(), revision)
	if err != nil {
		return nil, err
	}
	if !d.Live() {
		return nil, notFound(r.GetId(), d)
	}
	shown, err := s.show(c, d, true)
	if err != nil {
		return nil, err
	}
	return &configpb.ReadResponse{Document: shown, Revision: revision}, nil
}

// asOf returns the state to look into for what was at a revision, 0 being now, and that revision.
func (s *server) asOf(ctx context.Context, c caller, revision uint64) (*history.State, uint64, error) {
	state, err := s.stateFor(ctx, c, revision)
	if err != nil {
		return nil, 0, err
	}
	if revision == 0 {
		revision = state.Revision
	}
	return state, revision, nil
}

// show returns a document as the caller may see it.
func (s *server) show(c caller, d *history.Document, body bool) (*configpb.Document, error) {
	shown := &configpb.Document{
		Id: d.ID, Revision: d.Revision, Author: d.Author, Message: d.Message, At: timestamppb.New(d.At),
	}
	if !body {
		return shown, nil
	}
	v, err := s.sealer.reveal(d.Value, c.reads)
	if err != nil {
		return nil, err
	}
	shown.Json = document.Encode(v)
	return shown, nil
}

// List implements configpb.ConfigServer.
func (s *server) List(ctx context.Context, r *configpb.ListRequest) (*configpb.ListResponse, error) {
	c := callerOf(ctx)
	state, revision, err := s.asOf(ctx, c, r.GetAsOf())
	if err != nil {
		return nil, err
	}
	list := &configpb.ListResponse{Revision: revision}
	size := 0
	for d := range state.All(r.GetPrefix()) {
		if d.ID <= r.GetAfter() || !c.mayRead(d.ID) {
			continue
		}
		if d, err = s.history.At(ctx, state, d.ID, revision); err != nil {
			return nil, err
		}
		if !d.Live() {
			continue
		}
		shown, err := s.show(c, d, r.GetBodies())
		if err != nil {
			return nil, err
		}
		size += proto.Size(shown)
		if n := len(list.GetDocuments()); n > 0 && (size > pageSize || r.GetLimit() > 0 && n >= int(r.GetLimit())) {
			list.More = true
			break
		}
		list.Documents = append(list.Documents, shown)
	}
	return list, nil
}

// fits returns the answer, if the bus takes it.
func fits[M proto.Message](m M, remedy string) (M, error) {
	if n := proto.Size(m); n > maxAnswer {
		var none M
		return none, fault.New(fault.BadRequest, "kernel.config.too_large", "the answer would have %d bytes, too many for one message: %s", n, remedy)
	}
	return m, nil
}

// cut returns as many of all as go into one message beside used bytes, how many bytes there are
// then, and how many were left out.
func cut[M proto.Message](all []M, used int) (fitting []M, size int, omitted uint32) {
	for i, m := range all {
		if used += proto.Size(m) + perElement; used > pageSize {
			return all[:i], pageSize, uint32(len(all) - i)
		}
	}
	return all, used, 0
}

// perElement is more than what frames one element of a list in a message.
const perElement = 8
