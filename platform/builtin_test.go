package platform_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	hansompb "github.com/hansom-platform/hansom/proto/hansom"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
	"github.com/hansom-platform/hansom/proto/rpc"
)

// ask calls a built-in endpoint of s directly.
func ask[T proto.Message](t *testing.T, c rpc.Caller, s *platform.Service, name string, request proto.Message, response T) T {
	t.Helper()
	if err := c.Call(platform.To(t.Context(), s.ID()), platform.Builtin(s.Name(), name), request, response); err != nil {
		t.Fatalf("%s of %s: %v", name, s.ID(), err)
	}
	return response
}

func stats(t *testing.T, c rpc.Caller, s *platform.Service) *hansompb.StatsResponse {
	t.Helper()
	return ask(t, c, s, platform.EndpointStats, &hansompb.StatsRequest{}, &hansompb.StatsResponse{})
}

func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.service("core.echo")
		s.Check("good", func(context.Context) error { return nil })
		s.Check("bad", func(context.Context) error { return errors.New("no disk") })
		s.Check("broken", func(context.Context) error { panic("oh no") })
		s.Check("hangs", func(context.Context) error { time.Sleep(time.Minute); return nil })
		w.run(s)
		got := ask(t, w.operator(), s, platform.EndpointHealth, &hansompb.HealthRequest{}, &hansompb.HealthResponse{})
		if got.GetHealthy() || len(got.GetChecks()) != 4 {
			t.Fatalf("health is %v, want not healthy with four checks", got)
		}
		for i, healthy := range []bool{true, false, false, false} {
			if c := got.GetChecks()[i]; c.GetHealthy() != healthy || healthy == (c.GetMessage() != "") {
				t.Errorf("check %v, want healthy %t", c, healthy)
			}
		}
		time.Sleep(time.Minute)
	})
}

func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		e := endpoint("core.echo", "say")
		s := w.service("core.echo")
		s.Handle(e, text(func(_ context.Context, in string) (string, error) {
			time.Sleep(10 * time.Millisecond)
			if in == "" {
				return "", fault.New(fault.BadRequest, "core.echo.empty", "say something")
			}
			return in, nil
		}))
		w.run(s)
		c := w.operator()
		for range 3 {
			_, _ = say(t.Context(), c, e, "x")
		}
		_, _ = say(t.Context(), c, e, "")
		_, _ = say(platform.To(t.Context(), s.ID()), c, e, "direct")
		time.Sleep(time.Second)
		got := endpointStats(stats(t, c, s), "say")
		if got.GetRequests() != 5 || got.GetErrors() != 1 || got.GetRoutedLastMinute() != 4 || got.GetInflight() != 0 {
			t.Errorf("stats %v, want 5 requests, 1 error, 4 routed, none in flight", got)
		}
		if mean := got.GetMean().AsDuration(); mean != 10*time.Millisecond {
			t.Errorf("mean %s, want 10ms", mean)
		}
		if upper := got.GetUpper95().AsDuration(); upper < 10*time.Millisecond || upper > 13*time.Millisecond {
			t.Errorf("upper 95 %s, want 10ms and at most a quarter more", upper)
		}
		time.Sleep(time.Minute)
		if got := endpointStats(stats(t, c, s), "say").GetRoutedLastMinute(); got != 0 {
			t.Errorf("%d routed in a minute without requests", got)
		}
	})
}

func endpointStats(r *hansompb.StatsResponse, name string) *hansompb.EndpointStats {
	for _, e := range r.GetEndpoints() {
		if e.GetEndpoint() == name {
			return e
		}
	}
	return nil
}

func TestStatsTellOfCircuits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.peer("core.peer").fails(fault.Internal, "x")
		s := w.service("core.echo")
		w.run(s)
		for range 100 {
			_, _ = say(t.Context(), s, endpoint("core.peer", "try"), "")
		}
		got := stats(t, w.operator(), s).GetCircuits()
		if len(got) != 1 || got[0].GetService() != "core.peer" || got[0].GetEndpoint() != "try" || got[0].GetState() != "open" {
			t.Errorf("circuits %v, want that of core.peer try, open", got)
		}
	})
}

func TestSchema(t *testing.T) {
	w := newWorld(t)
	s := w.service("kernel.discovery")
	discoverypb.RegisterDiscovery(s, &discovery{world: w})
	w.run(s)
	got := ask(t, w.operator(), s, platform.EndpointSchema, &hansompb.SchemaRequest{}, &hansompb.SchemaResponse{})
	if len(got.GetEndpoints()) != 3 || got.GetEndpoints()[0].GetEndpoint() != "deregister" || got.GetEndpoints()[2].GetRequest() != "kernel.discovery.RegisterRequest" {
		t.Errorf("endpoints %v, want the three of the contract by name", got.GetEndpoints())
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(got.GetFiles(), &set); err != nil {
		t.Fatal(err)
	}
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		t.Fatalf("the files do not stand by themselves: %v", err)
	}
	if _, err := files.FindDescriptorByName("kernel.discovery.RegisterRequest"); err != nil {
		t.Error(err)
	}
}

func TestHopsOfATrace(t *testing.T) {
	w := newWorld(t)
	trace := make(chan string, 1)
	callTree(w, func(ctx context.Context) string {
		trace <- platform.TraceID(ctx)
		return ""
	})
	s := w.service("core.echo")
	e := endpoint("core.echo", "say")
	s.Handle(e, text(func(ctx context.Context, in string) (string, error) {
		trace <- platform.TraceID(ctx)
		_, err := say(ctx, s, endpoint("core.nosuch", "say"), "")
		return "", err
	}))
	w.run(s)
	c := w.operator()
	_, _ = say(platform.WithCohort(t.Context(), 5), c, e, "")
	got := ask(t, c, s, platform.EndpointHops, &hansompb.HopsRequest{TraceId: <-trace}, &hansompb.HopsResponse{}).GetHops()
	if len(got) != 2 {
		t.Fatalf("hops %v, want one served and one called", got)
	}
	server, client := got[0], got[1]
	if !server.GetServer() {
		server, client = client, server
	}
	if server.GetInstance() != s.ID() || server.GetFrom() != platform.Operator || server.GetCohort() != 5 || server.GetCode() != "NO_ROUTE" {
		t.Errorf("served hop %v, want instance, caller, cohort and code", server)
	}
	if client.GetService() != "core.nosuch" || client.GetParentId() != server.GetSpanId() || client.GetReason() != "bus.no_route.unknown_service" {
		t.Errorf("called hop %v, want it below the served one, with its reason", client)
	}
}

func TestInstanceDescribesItself(t *testing.T) {
	w := newWorld(t)
	s := w.service("core.echo", platform.Owner("me@example.com"), platform.Overlay("alice"), platform.Place(bus.Zone{Region: "r", Zone: "z"}))
	s.Handle(endpoint("core.echo", "say", idempotent, upper95(time.Second)), text(echo))
	got := s.Instance()
	if got.GetId() != s.ID() || got.GetVersion() != "v1" || got.GetOwner() != "me@example.com" || got.GetOverlay() != "alice" ||
		got.GetRegion() != "r" || got.GetZone() != "z" || got.GetPid() == 0 {
		t.Errorf("instance %v, want what the options say", got)
	}
	if e := got.GetEndpoints(); len(e) != 1 || e[0].GetEndpoint() != "say" || !e[0].GetIdempotent() || e[0].GetUpper95Ms() != 1000 {
		t.Errorf("endpoints %v, want say without the built-in ones", e)
	}
}
