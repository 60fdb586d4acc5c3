package platformtest

import (
	"context"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/proto/rpc"
)

// fake stands in for a service that the one under test calls.
type fake struct {
	handlers map[string]fakeEndpoint
	service  *platform.Service // that serves them now
}

type fakeEndpoint struct {
	endpoint *rpc.Endpoint
	handle   rpc.Handler
}

// Fake stands in for an endpoint of a service that the one under test calls. It
// is a real service on the bus: deadlines, roles, tiers and retries hold as in
// production. Several endpoints of one service may be faked, each again and
// again: the last handler stands from when Fake returns.
func Fake[Request, Response proto.Message](e *Env, endpoint *rpc.Endpoint, handle func(context.Context, Request) (Response, error)) {
	e.t.Helper()
	_, asksSo := endpoint.NewRequest().(Request)
	_, answersSo := endpoint.NewResponse().(Response)
	if !asksSo || !answersSo {
		e.t.Fatalf("fake of %s %s: it takes a %T and answers with a %T, not as the handler does",
			endpoint.Service, endpoint.Name, endpoint.NewRequest(), endpoint.NewResponse())
	}
	e.fake(endpoint, func(ctx context.Context, request proto.Message) (proto.Message, error) {
		response, err := handle(ctx, request.(Request))
		if err != nil {
			return nil, err
		}
		return response, nil
	})
}

// fake serves endpoint in place of what was served before. A service cannot take
// another endpoint while it runs, so that a new instance takes over from the old.
func (e *Env) fake(endpoint *rpc.Endpoint, handle rpc.Handler) {
	e.t.Helper()
	f := e.fakes[endpoint.Service]
	if f == nil {
		f = &fake{handlers: map[string]fakeEndpoint{}}
		e.fakes[endpoint.Service] = f
	}
	f.handlers[endpoint.Name] = fakeEndpoint{endpoint, handle}
	before := f.service
	f.service = platform.New(endpoint.Service, platform.Place(Local), platform.Version("fake"), platform.Logger(e.log),
		platform.Timing(platform.Timings{Settle: time.Nanosecond}))
	for _, name := range slices.Sorted(maps.Keys(f.handlers)) {
		f.service.Handle(f.handlers[name].endpoint, f.handlers[name].handle)
	}
	e.Start(f.service)
	if before != nil {
		e.retire(before)
	}
}

// retire has a service get no more requests. It drains by itself.
func (e *Env) retire(s *platform.Service) {
	e.t.Helper()
	if e.registry != nil {
		if err := e.registry.remove(context.Background(), s.ID(), "replaced"); err != nil {
			e.t.Fatalf("replace the fake of %s: %v", s.Name(), err)
		}
	}
	e.find(s).stop()
}
