package platform

import (
	"context"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform/telemetry"
	hansompb "github.com/hansom-platform/hansom/proto/hansom"
	"github.com/hansom-platform/hansom/proto/rpc"
)

// route is one endpoint that a service serves.
type route struct {
	endpoint *rpc.Endpoint
	handler  rpc.Handler
	name     string // "core.eta/estimate"
	builtin  bool
	http     bool // carries HTTP, which has no messages of its own
	metrics  *telemetry.Metrics
	stats    endpointStats
}

func newRoute(s *Service, e *rpc.Endpoint, h rpc.Handler) *route {
	if h == nil || e.NewRequest == nil || e.NewResponse == nil {
		panic("platform: endpoint " + e.Name + " of " + s.name + " needs a handler, NewRequest and NewResponse")
	}
	_, http := e.NewRequest().(*hansompb.HttpRequest)
	return &route{
		endpoint: e,
		handler:  h,
		http:     http,
		name:     e.Service + "/" + e.Name,
		metrics:  telemetry.EndpointMetrics(telemetry.SideServer, e.Service, e.Name),
	}
}

func (r *route) begin() {
	r.stats.inflight.Add(1)
	r.metrics.Inflight(1)
}

func (r *route) end(took time.Duration, err *fault.Error) {
	code := ""
	if err != nil {
		code = err.Code.String()
		r.stats.errors.Add(1)
	}
	r.stats.inflight.Add(-1)
	r.stats.durations.add(took)
	r.metrics.Inflight(-1)
	r.metrics.Observe(code, took)
}

func (r *route) schema() *hansompb.EndpointSchema {
	e := r.endpoint
	schema := &hansompb.EndpointSchema{
		Endpoint:   e.Name,
		Roles:      e.Roles,
		MeanMs:     uint32(e.Mean.Milliseconds()),
		Upper95Ms:  uint32(e.Upper95.Milliseconds()),
		Idempotent: e.Idempotent,
		Http:       r.http,
	}
	if !schema.Http {
		schema.Request = string(proto.MessageName(e.NewRequest()))
		schema.Response = string(proto.MessageName(e.NewResponse()))
	}
	return schema
}

func (s *Service) sortedRoutes() []*route {
	return slices.SortedFunc(maps.Values(s.routes), func(a, b *route) int {
		return strings.Compare(a.endpoint.Name, b.endpoint.Name)
	})
}

// noEndpoint tells a caller what there is instead of what it asked for.
func (s *Service) noEndpoint(name string) *fault.Error {
	var names []string
	for _, r := range s.sortedRoutes() {
		names = append(names, r.endpoint.Name)
	}
	return fault.New(fault.NotFound, reasonNoEndpoint,
		"%s has no endpoint %q; it has %s", s.name, name, strings.Join(names, ", "))
}

const (
	reasonPanic      = "platform.panic"
	reasonNoEndpoint = "platform.no_endpoint"
)

// invoke is the innermost handler on the serving side.
func invoke(ctx context.Context, r *Request) (proto.Message, error) {
	return r.handler(ctx, r.Message)
}

func (s *Service) panicked(ctx context.Context, what string, p any) error {
	stack := debug.Stack()
	if inner, ok := p.(*parallelPanic); ok {
		p, stack = inner.value, inner.stack
	}
	s.log.ErrorContext(ctx, "a handler panicked", "handler", what, "panic", p, "stack", string(stack))
	return fault.New(fault.Internal, reasonPanic, "something went wrong on our side").WithDetail("%s of %s panicked: %v", what, s.name, p)
}
