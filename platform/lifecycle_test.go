package platform_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	hansompb "github.com/hansom-platform/hansom/proto/hansom"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
)

// discovery is kernel.discovery as far as an instance can tell.
type discovery struct {
	world    *world
	failures atomic.Int64 // registrations to refuse with Unavailable
	asked    atomic.Int64
}

func (d *discovery) Register(ctx context.Context, r *discoverypb.RegisterRequest) (*discoverypb.RegisterResponse, error) {
	d.asked.Add(1)
	if d.failures.Add(-1) >= 0 {
		return nil, fault.New(fault.Conflict, "kernel.discovery.not_now", "not now")
	}
	return &discoverypb.RegisterResponse{}, d.world.Register(ctx, r.GetInstance())
}

func (d *discovery) Deregister(ctx context.Context, r *discoverypb.DeregisterRequest) (*discoverypb.DeregisterResponse, error) {
	return &discoverypb.DeregisterResponse{}, d.world.Deregister(ctx, r.GetInstance())
}

func (d *discovery) Instances(context.Context, *discoverypb.InstancesRequest) (*discoverypb.InstancesResponse, error) {
	return &discoverypb.InstancesResponse{}, nil
}

// runDiscovery runs kernel.discovery, which sends no heartbeats by itself.
func (w *world) runDiscovery() (*platform.Service, *discovery) {
	d := &discovery{world: w}
	s := w.service("kernel.discovery")
	discoverypb.RegisterDiscovery(s, d)
	w.run(s)
	return s, d
}

func beat(ctx context.Context, from *platform.Service, to string) (*hansompb.HeartbeatResponse, error) {
	response := new(hansompb.HeartbeatResponse)
	e := platform.Builtin("core.echo", platform.EndpointHeartbeat)
	return response, from.Call(platform.To(ctx, to), e, &hansompb.HeartbeatRequest{}, response)
}

func TestInstanceRegistersWithDiscovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		_, d := w.runDiscovery()
		d.failures.Store(3)
		s := platform.New("core.echo", platform.Logger(quiet), w.issuer("core.echo"))
		e := endpoint("core.echo", "say")
		s.Handle(e, text(echo))
		w.run(s)
		if got := d.asked.Load(); got != 4 {
			t.Errorf("registered after %d attempts, want 4: three were refused", got)
		}
		if _, err := say(t.Context(), w.operator(), e, ""); err != nil {
			t.Errorf("a ready instance cannot be called: %v", err)
		}
	})
}

func TestARefusedRegistrationEndsRun(t *testing.T) {
	w := newWorld(t)
	refuse := refusal{fault.New(fault.Forbidden, "kernel.discovery.no", "not you")}
	s := platform.New("core.echo", platform.Logger(quiet), w.issuer("core.echo"), platform.RegisterWith(refuse))
	err := s.Run(t.Context(), w.dial)
	if !fault.Is(err, fault.Forbidden) || !strings.Contains(err.Error(), s.ID()) {
		t.Errorf("Run returned %v, want FORBIDDEN that names %s", err, s.ID())
	}
}

func TestOnStopComesAfterTheLastHandler(t *testing.T) {
	w := newWorld(t)
	var order []string
	started, release := make(chan struct{}), make(chan struct{})
	s := w.service("core.echo")
	e := endpoint("core.echo", "say")
	s.Handle(e, text(func(_ context.Context, in string) (string, error) {
		close(started)
		<-release
		order = append(order, "handler")
		return in, nil
	}))
	s.OnStop(func(context.Context) { order = append(order, "first") })
	s.OnStop(func(context.Context) { panic("stays a warning") })
	s.OnStop(func(context.Context) { order = append(order, "last") })
	stop := w.run(s)
	go func() { _, _ = say(context.Background(), w.operator(), e, "") }()
	<-started
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	close(release)
	if err := <-stopped; err != nil {
		t.Fatalf("Run: %v", err)
	}
	if want := []string{"handler", "last", "first"}; !slices.Equal(order, want) {
		t.Errorf("the end came in the order %v, want %v", order, want)
	}
}

type refusal struct{ err error }

func (r refusal) Register(context.Context, *discoverypb.Instance) error { return r.err }
func (r refusal) Deregister(context.Context, string) error              { return nil }

func TestLostInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		_, d := w.runDiscovery()
		var dialled atomic.Int64
		dial := func(ctx context.Context) (*bus.Bus, error) {
			dialled.Add(1)
			return w.dial(ctx)
		}
		s := platform.New("core.echo", platform.Logger(quiet), w.issuer("core.echo"), platform.Timing(platform.Timings{Lost: time.Minute, MaxLost: 3}))
		done := make(chan error, 1)
		start := time.Now()
		go func() { done <- s.Run(t.Context(), dial) }()
		check := func(minutes int, registrations, dials int64) {
			t.Helper()
			time.Sleep(time.Until(start.Add(time.Duration(minutes)*time.Minute + time.Second)))
			if d.asked.Load() != registrations || dialled.Load() != dials {
				t.Errorf("after %d min: %d registrations and %d dials, want %d and %d",
					minutes, d.asked.Load(), dialled.Load(), registrations, dials)
			}
		}
		check(0, 1, 1)
		check(1, 2, 1) // registers again
		check(2, 3, 2) // reconnects
		check(3, 4, 3)
		err := <-done
		if took := time.Since(start).Round(time.Minute); fault.ReasonOf(err) != "platform.lost" || took != 4*time.Minute {
			t.Errorf("Run returned %v after %s, want platform.lost after 4m", err, took)
		}
	})
}

func TestHeartbeatsKeepAnInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		from, d := w.runDiscovery()
		s := platform.New("core.echo", platform.Logger(quiet), w.issuer("core.echo"))
		w.run(s)
		for range 30 {
			time.Sleep(10 * time.Second)
			if _, err := beat(t.Context(), from, s.ID()); err != nil {
				t.Fatal(err)
			}
		}
		if got := d.asked.Load(); got != 1 {
			t.Errorf("registered %d times in five minutes of heartbeats, want once", got)
		}
	})
}

func TestAnInstanceComesBackAfterItsDiscoveryForgotIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		from, d := w.runDiscovery()
		s := platform.New("core.echo", platform.Logger(quiet), w.issuer("core.echo"))
		w.run(s)
		if err := from.PublishEvent(t.Context(), "discovery.reregister", &discoverypb.Reregister{Discovery: from.ID()}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := d.asked.Load(); got != 2 {
			t.Errorf("registered %d times, want again when asked to", got)
		}
	})
}

func TestWhoIsAskedAgainToRegister(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		from, d := w.runDiscovery()
		s := platform.New("core.echo", platform.Logger(quiet), w.issuer("core.echo"))
		w.run(s)
		for _, step := range []struct {
			what  string
			after time.Duration
			beat  bool
			want  int64
		}{
			{"it has just registered", time.Second, false, 1},
			{"it hears heartbeats", 10 * time.Second, true, 1},
			{"it has heard nothing for a while", 10 * time.Second, false, 2},
		} {
			time.Sleep(step.after)
			if step.beat {
				if _, err := beat(t.Context(), from, s.ID()); err != nil {
					t.Fatal(err)
				}
			}
			if err := from.PublishEvent(t.Context(), "discovery.reregister", &discoverypb.Reregister{Discovery: from.ID(), Again: true}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if got := d.asked.Load(); got != step.want {
				t.Errorf("%s: registered %d times, want %d", step.what, got, step.want)
			}
		}
	})
}

func TestAnInstanceThatStartsIsNotRegisteredEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		from, d := w.runDiscovery()
		s := platform.New("core.echo", platform.Logger(quiet), w.issuer("core.echo"))
		s.OnStart(func(ctx context.Context) error {
			err := from.PublishEvent(ctx, "discovery.reregister", &discoverypb.Reregister{Discovery: from.ID()})
			time.Sleep(time.Second) // warms up
			if got := d.asked.Load(); got != 0 {
				t.Errorf("registered %d times while it warms up, want not before it is ready", got)
			}
			return err
		})
		w.run(s)
		if got := d.asked.Load(); got != 1 {
			t.Errorf("registered %d times, want once", got)
		}
	})
}

func TestStartFailureEndsRun(t *testing.T) {
	want := errors.New("no data")
	w := newWorld(t)
	s := w.service("core.echo")
	s.OnStart(func(context.Context) error { return want })
	if err := s.Run(t.Context(), w.dial); !errors.Is(err, want) || w.registrations() != 0 {
		t.Errorf("Run returned %v after %d registrations, want %v before any", err, w.registrations(), want)
	}
	if err := s.Run(t.Context(), w.dial); fault.ReasonOf(err) != "platform.run_twice" {
		t.Errorf("a second Run returned %v, want platform.run_twice", err)
	}
}

func TestBackgroundRunsUntilTheDrain(t *testing.T) {
	w := newWorld(t)
	s := w.service("core.echo")
	ended := make(chan struct{})
	s.Background(func(ctx context.Context) error {
		<-ctx.Done()
		close(ended)
		return ctx.Err()
	})
	if err := w.run(s)(); err != nil {
		t.Errorf("Run returned %v, want nil", err)
	}
	<-ended
}

func TestBackgroundFailureEndsRun(t *testing.T) {
	for name, f := range map[string]func(context.Context) error{
		"error": func(context.Context) error { return fault.New(fault.Internal, "core.echo.broken", "") },
		"panic": func(context.Context) error { panic("broken") },
	} {
		w := newWorld(t)
		s := w.service("core.echo")
		s.Background(f)
		if err := s.Run(t.Context(), w.dial); !fault.Is(err, fault.Internal) {
			t.Errorf("%s: Run returned %v, want INTERNAL", name, err)
		}
	}
}

func TestAPanicAtTheStartEndsRun(t *testing.T) {
	w := newWorld(t)
	s := w.service("core.echo")
	s.OnStart(func(context.Context) error { panic("broken") })
	if err := s.Run(t.Context(), w.dial); fault.ReasonOf(err) != "platform.panic" || w.registrations() != 0 {
		t.Errorf("Run returned %v after %d registrations, want platform.panic before any", err, w.registrations())
	}
}

func TestADeafBackgroundFunctionDoesNotStopTheDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.service("core.echo", platform.Timing(platform.Timings{Drain: time.Second}))
		release := make(chan struct{})
		defer close(release)
		s.Background(func(context.Context) error { <-release; return nil })
		stop := w.run(s)
		start := time.Now()
		if err := stop(); err != nil || time.Since(start) > 2*time.Second {
			t.Errorf("Run returned %v after %s, want nil soon after the limit of 1s", err, time.Since(start))
		}
	})
}

func TestADeafHandlerDoesNotStopTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		e := endpoint("core.slow", "hang")
		release := make(chan struct{})
		defer close(release)
		s := w.service("core.slow", platform.Timing(platform.Timings{Drain: time.Second}))
		s.Handle(e, text(func(context.Context, string) (string, error) { <-release; return "", nil }))
		stop := w.run(s)
		c := w.operator()
		go func() { _, _ = say(context.Background(), c, e, "") }()
		synctest.Wait()
		start := time.Now()
		if err := stop(); err != nil || time.Since(start) > 10*time.Second {
			t.Errorf("Run returned %v after %s, want nil within seconds of the limit of 1s", err, time.Since(start))
		}
	})
}

func TestSubscriptionsAreOpenBeforeRegistration(t *testing.T) {
	w := newWorld(t)
	got := make(chan string, 1)
	s := w.service("core.echo")
	s.Subscribe(bus.Subscription{Topic: "greeting"}, func(ctx context.Context, e *bus.Event) error {
		var m wrapperspb.StringValue
		err := proto.Unmarshal(e.Message.Body, &m)
		got <- fmt.Sprintf("%s from %s cohort %d trace %s", m.GetValue(), platform.CallerOf(ctx).Label, platform.CohortOf(ctx), platform.TraceID(ctx))
		return err
	})
	s.OnStart(func(ctx context.Context) error {
		return s.PublishEvent(platform.WithCohort(ctx, 7), "greeting", wrapperspb.String("hello"))
	})
	w.run(s)
	if event := <-got; !strings.HasPrefix(event, "hello from core.echo cohort 7 trace ") || len(event) != len("hello from core.echo cohort 7 trace ")+32 {
		t.Errorf("got %q, want the greeting with caller, cohort and trace", event)
	}
}

func TestAPanickingEventHandlerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var attempts atomic.Int64
		s := w.service("core.echo")
		s.Subscribe(bus.Subscription{Topic: "greeting", Group: "g"}, func(context.Context, *bus.Event) error {
			if attempts.Add(1) == 1 {
				panic("first")
			}
			return nil
		})
		w.run(s)
		if err := s.PublishEvent(t.Context(), "greeting", wrapperspb.String("")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := attempts.Load(); got != 2 {
			t.Errorf("handled %d times, want again after the panic", got)
		}
	})
}

func TestDrainLosesNothing(t *testing.T) {
	w := newWorld(t)
	e := endpoint("core.echo", "say")
	start := func() (stop func() error) {
		s := w.service("core.echo", platform.Timing(platform.Timings{Settle: 5 * time.Millisecond}))
		s.Handle(e, text(echo))
		return w.run(s)
	}
	start() // stays, so that there is always somewhere to go
	c := w.operator()
	ctx, cancel := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	var calls atomic.Int64
	for range 8 {
		callers.Go(func() {
			for ctx.Err() == nil {
				if _, err := say(t.Context(), c, e, "x"); err != nil {
					t.Errorf("call %d failed while instances came and went: %v", calls.Load(), err)
					return
				}
				calls.Add(1)
			}
		})
	}
	for range 20 {
		if err := start()(); err != nil {
			t.Errorf("drain: %v", err)
		}
	}
	cancel()
	callers.Wait()
	if calls.Load() == 0 {
		t.Error("no call was made")
	}
}

func TestDrainFinishesWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		e := endpoint("core.slow", "work")
		s := w.service("core.slow")
		s.Handle(e, text(func(ctx context.Context, _ string) (string, error) {
			time.Sleep(5 * time.Second)
			return "done", ctx.Err()
		}))
		stop := w.run(s)
		answer := make(chan string, 1)
		c := w.operator()
		go func() {
			got, err := say(context.Background(), c, e, "")
			answer <- fmt.Sprint(got, err)
		}()
		synctest.Wait()
		if err := stop(); err != nil {
			t.Errorf("Run returned %v, want nil", err)
		}
		if got := <-answer; got != "done<nil>" {
			t.Errorf("the call under way returned %s, want done", got)
		}
	})
}

func TestDrainHasALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		e := endpoint("core.slow", "hang")
		s := w.service("core.slow", platform.Timing(platform.Timings{Drain: time.Second}))
		s.Handle(e, text(func(ctx context.Context, _ string) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}))
		stop := w.run(s)
		c := w.operator()
		go func() { _, _ = say(context.Background(), c, e, "") }()
		synctest.Wait()
		start := time.Now()
		if err := stop(); err != nil || time.Since(start) != time.Second {
			t.Errorf("Run returned %v after %s, want nil after the limit of 1s", err, time.Since(start))
		}
	})
}

func TestTheDrainDoesNotWaitForTheBus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.runDiscovery()
		stop := w.run(platform.New("core.echo", platform.Logger(quiet), w.issuer("core.echo")))
		w.engine.Stop()
		start := time.Now()
		if err := stop(); err != nil || time.Since(start) > 500*time.Millisecond {
			t.Errorf("without a bus Run returned %v after %s, want nil within 500ms", err, time.Since(start))
		}
		w.engine.Start()
	})
}

func TestHeartbeatTellsOfTheDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		from, _ := w.runDiscovery()
		s := w.service("core.echo", platform.Timing(platform.Timings{Settle: time.Second}))
		stop := w.run(s)
		stopped := make(chan error, 1)
		go func() { stopped <- stop() }()
		synctest.Wait()
		got, err := beat(t.Context(), from, s.ID())
		if err != nil || !got.GetDraining() {
			t.Errorf("heartbeat answered %v, %v; want draining", got, err)
		}
		if err := <-stopped; err != nil {
			t.Errorf("Run returned %v, want nil", err)
		}
	})
}
