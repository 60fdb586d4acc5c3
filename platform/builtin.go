package platform

import (
	"context"
	"fmt"
	"runtime"
	"runtime/metrics"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hansom-platform/hansom/fault"
	hansompb "github.com/hansom-platform/hansom/proto/hansom"
	"github.com/hansom-platform/hansom/proto/rpc"
)

// Names of the endpoints that every instance has.
const (
	EndpointHealth    = rpc.Health // anyone may ask
	EndpointStats     = rpc.Stats
	EndpointSchema    = rpc.Schema
	EndpointHops      = rpc.Hops
	EndpointConfig    = rpc.Config
	EndpointHeartbeat = rpc.Heartbeat
)

// builtins are patterns: the endpoint of a service is a copy with its name.
var builtins = map[string]rpc.Endpoint{
	EndpointHealth: {
		Roles: []string{RoleAnyone}, Upper95: 2500 * time.Millisecond,
		NewRequest:  func() proto.Message { return new(hansompb.HealthRequest) },
		NewResponse: func() proto.Message { return new(hansompb.HealthResponse) },
	},
	EndpointStats: {
		NewRequest:  func() proto.Message { return new(hansompb.StatsRequest) },
		NewResponse: func() proto.Message { return new(hansompb.StatsResponse) },
	},
	EndpointSchema: {
		NewRequest:  func() proto.Message { return new(hansompb.SchemaRequest) },
		NewResponse: func() proto.Message { return new(hansompb.SchemaResponse) },
	},
	EndpointHops: {
		NewRequest:  func() proto.Message { return new(hansompb.HopsRequest) },
		NewResponse: func() proto.Message { return new(hansompb.HopsResponse) },
	},
	EndpointConfig: {
		NewRequest:  func() proto.Message { return new(hansompb.ConfigRequest) },
		NewResponse: func() proto.Message { return new(hansompb.ConfigResponse) },
	},
	EndpointHeartbeat: {
		NewRequest:  func() proto.Message { return new(hansompb.HeartbeatRequest) },
		NewResponse: func() proto.Message { return new(hansompb.HeartbeatResponse) },
	},
}

// Builtin returns the named built-in endpoint of a service: one of the Endpoint
// constants, else it panics. All are idempotent; use To to ask a certain instance.
func Builtin(service, name string) *rpc.Endpoint {
	e, ok := builtins[name]
	if !ok {
		panic(fmt.Sprintf("platform.Builtin: no built-in endpoint %q", name))
	}
	e.Service, e.Name, e.Idempotent = service, name, true
	if e.Roles == nil {
		e.Roles = []string{RoleService}
	}
	if e.Upper95 == 0 {
		e.Upper95 = 500 * time.Millisecond
	}
	return &e
}

func (s *Service) registerBuiltins() {
	add := func(name string, h rpc.Handler) {
		r := newRoute(s, Builtin(s.name, name), h)
		r.builtin = true
		s.addRoute(r)
	}
	add(EndpointHealth, func(ctx context.Context, _ proto.Message) (proto.Message, error) {
		return s.health(ctx), nil
	})
	add(EndpointStats, func(context.Context, proto.Message) (proto.Message, error) {
		return s.stats(time.Now()), nil
	})
	add(EndpointSchema, func(context.Context, proto.Message) (proto.Message, error) {
		return s.schema()
	})
	add(EndpointHops, func(_ context.Context, m proto.Message) (proto.Message, error) {
		return &hansompb.HopsResponse{Hops: s.hops.Find(m.(*hansompb.HopsRequest).GetTraceId())}, nil
	})
	add(EndpointConfig, func(context.Context, proto.Message) (proto.Message, error) {
		return s.configuration.report(), nil
	})
	add(EndpointHeartbeat, func(context.Context, proto.Message) (proto.Message, error) {
		s.lastBeat.Store(time.Now().UnixNano())
		return &hansompb.HeartbeatResponse{Draining: s.draining.Load()}, nil
	})
}

type check struct {
	name string
	run  func(ctx context.Context) error
}

// checkTimeout is what a health check may take.
const checkTimeout = 2 * time.Second

// health runs all checks at once. An instance whose bus is away cannot be asked
// over it, so that the bus is no check.
func (s *Service) health(ctx context.Context) *hansompb.HealthResponse {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	calls := make([]func(context.Context) error, len(s.checks))
	for i, c := range s.checks {
		calls[i] = func(ctx context.Context) error { return s.runCheck(ctx, c) }
	}
	response := &hansompb.HealthResponse{Healthy: true}
	for i, err := range ParallelAll(ctx, 0, calls...) {
		result := &hansompb.HealthCheck{Name: s.checks[i].name, Healthy: err == nil}
		if err != nil {
			response.Healthy = false
			result.Message = validUTF8(err.Error())
		}
		response.Checks = append(response.Checks, result)
	}
	return response
}

// runCheck gives up a check that ignores its context.
func (s *Service) runCheck(ctx context.Context, c check) error {
	result := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				result <- s.panicked(ctx, "check "+c.name, p)
			}
		}()
		result <- c.run(ctx)
	}()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return fault.New(fault.Timeout, "platform.check_timeout", "the check took longer than %s", checkTimeout)
	}
}

func (s *Service) stats(now time.Time) *hansompb.StatsResponse {
	response := &hansompb.StatsResponse{
		Instance:    s.instance,
		Service:     s.name,
		Version:     s.config.version,
		Region:      s.config.zone.Region,
		Zone:        s.config.zone.Zone,
		Started:     timestamppb.New(s.started),
		Circuits:    s.targets.circuits(),
		MemoryBytes: memory(),
		Goroutines:  uint64(runtime.NumGoroutine()),
	}
	for _, r := range s.sortedRoutes() {
		response.Endpoints = append(response.Endpoints, r.stats.message(r.endpoint.Name, now))
	}
	return response
}

// memory returns what the Go runtime holds of the system's memory, in bytes.
func memory() uint64 {
	samples := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(samples)
	return samples[0].Value.Uint64() - samples[1].Value.Uint64()
}
