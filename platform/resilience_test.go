package platform_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/proto/rpc"
)

// peer is a service whose answers a test dictates.
type peer struct {
	answer atomic.Pointer[fault.Error] // nil: success; code Timeout: never answers
	mu     sync.Mutex
	times  []time.Time
	header []bus.Header
}

func (w *world) peer(service string) *peer {
	p := new(peer)
	w.stub(service, service+"-1", func(ctx context.Context, m *bus.Message) *bus.Message {
		p.mu.Lock()
		p.times, p.header = append(p.times, time.Now()), append(p.header, m.Header)
		p.mu.Unlock()
		switch f := p.answer.Load(); {
		case f == nil:
			return &bus.Message{Header: bus.Header{{Key: bus.HeaderType, Value: bus.TypeReply}}}
		case f.Code == fault.Timeout:
			<-ctx.Done()
			return nil
		default:
			body := "\x0a" + string(rune(len(f.Code.String()))) + f.Code.String() + "\x12" + string(rune(len(f.Reason))) + f.Reason
			return &bus.Message{Header: bus.Header{{Key: bus.HeaderType, Value: bus.TypeError}}, Body: []byte(body)}
		}
	})
	return p
}

func (p *peer) fails(code fault.Code, reason string) { p.answer.Store(fault.New(code, reason, "")) }
func (p *peer) works()                               { p.answer.Store(nil) }

// calls returns when the peer was called, since start.
func (p *peer) calls(start time.Time) []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	var since []time.Duration
	for _, at := range p.times {
		since = append(since, at.Sub(start))
	}
	return since
}

func TestTimeoutsOfAttempts(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	tests := []struct {
		name     string
		change   []func(*rpc.Endpoint)
		deadline time.Duration
		attempts []time.Duration
		total    time.Duration
	}{
		{"idempotent", []func(*rpc.Endpoint){idempotent, upper95(100 * ms)}, 0, []time.Duration{0, 200 * ms, 600 * ms}, 1200 * ms},
		{"unknown SLA", []func(*rpc.Endpoint){idempotent}, 0, []time.Duration{0, 2 * s, 4 * s}, 6 * s},
		{"at least 10 ms", []func(*rpc.Endpoint){idempotent, upper95(ms)}, 0, []time.Duration{0, 10 * ms, 20 * ms}, 30 * ms},
		{"at most 60 s", []func(*rpc.Endpoint){idempotent, upper95(time.Minute)}, 0, []time.Duration{0, 60 * s, 120 * s}, 180 * s},
		{"within the deadline", []func(*rpc.Endpoint){idempotent, upper95(100 * ms)}, 500 * ms, []time.Duration{0, 200 * ms}, 500 * ms},
		{"not idempotent", []func(*rpc.Endpoint){upper95(100 * ms)}, 0, []time.Duration{0}, bus.DefaultBudget},
		{"not idempotent, with a deadline", []func(*rpc.Endpoint){upper95(100 * ms)}, 3 * s, []time.Duration{0}, 3 * s},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				p := w.peer("core.deaf")
				p.fails(fault.Timeout, "")
				c := w.operator()
				ctx, cancel := context.WithTimeout(t.Context(), orHour(tt.deadline))
				defer cancel()
				if tt.deadline == 0 {
					ctx = t.Context()
				}
				start := time.Now()
				_, err := say(ctx, c, endpoint("core.deaf", "listen", tt.change...), "")
				total := time.Since(start)
				if !fault.Is(err, fault.Timeout) || total != tt.total {
					t.Errorf("call returned %v after %s, want TIMEOUT after %s", err, total, tt.total)
				}
				if got := p.calls(start); !slices.Equal(got, tt.attempts) {
					t.Errorf("attempts at %v, want %v", got, tt.attempts)
				}
			})
		})
	}
}

func orHour(d time.Duration) time.Duration {
	if d == 0 {
		return time.Hour
	}
	return d
}

func TestWhatIsRetried(t *testing.T) {
	tests := []struct {
		name     string
		code     fault.Code
		reason   string
		attempts int
	}{
		{"a full instance", fault.Unavailable, "platform.shed", 3},
		{"unavailability further down", fault.Unavailable, "bus.disconnected", 1},
		{"a timeout further down", fault.NoRoute, "bus.no_route.gone", 1},
		{"a mistake", fault.BadRequest, "core.peer.bad", 1},
		{"a bug", fault.Internal, "internal", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				p := w.peer("core.peer")
				p.fails(tt.code, tt.reason)
				_, err := say(t.Context(), w.operator(), endpoint("core.peer", "try", idempotent), "")
				if fault.ReasonOf(err) != tt.reason {
					t.Errorf("call returned %v, want reason %s", err, tt.reason)
				}
				if got := len(p.calls(time.Now())); got != tt.attempts {
					t.Errorf("%d attempts after %s, want %d", got, tt.reason, tt.attempts)
				}
			})
		})
	}
}

func TestARetryIsNumbered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.peer("core.peer")
		p.fails(fault.Timeout, "")
		_, _ = say(t.Context(), w.operator(), endpoint("core.peer", "try", idempotent), "")
		synctest.Wait() // the caller gives up at the moment at which the handler ends
		for i, want := range []string{"", "2", "3"} {
			if got := p.header[i].Get(bus.HeaderAttempt); got != want {
				t.Errorf("attempt %d has the header %q, want %q", i+1, got, want)
			}
		}
	})
}

func TestRetriesStayUnderATenthOfCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const calls = 1000
		w := newWorld(t)
		p := w.peer("core.peer")
		c := w.operator()
		for i := range calls {
			// Half of the calls succeed, so that the circuit stays closed.
			if p.works(); i%2 == 0 {
				p.fails(fault.Unavailable, "platform.shed")
			}
			_, _ = say(t.Context(), c, endpoint("core.peer", "try", idempotent), "")
		}
		const reserve = 10
		if got := len(p.calls(time.Now())) - calls; got < calls/10 || got > calls/10+reserve {
			t.Errorf("%d retries of %d calls, want a tenth and at most the reserve of %d", got, calls, reserve)
		}
	})
}

func TestCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.peer("core.peer")
		p.fails(fault.Internal, "core.peer.bug")
		c, e := w.operator(), endpoint("core.peer", "try")
		call := func() string {
			_, err := say(t.Context(), c, e, "")
			return fault.ReasonOf(err)
		}
		for i := range 100 {
			if got := call(); got != "core.peer.bug" {
				t.Fatalf("call %d failed with %s, want core.peer.bug", i+1, got)
			}
		}
		if got := call(); got != "platform.circuit_open" {
			t.Errorf("after 100 failures a call returned %q, want platform.circuit_open", got)
		}
		if got, err := say(t.Context(), c, endpoint("core.peer", "other"), ""); fault.ReasonOf(err) != "core.peer.bug" {
			t.Errorf("another endpoint answered %q, %v; want its own fault", got, err)
		}
		p.works()
		time.Sleep(5 * time.Second)
		for i := range 4 {
			if got := call(); got != "" {
				t.Errorf("after the pause, call %d failed with %s", i+1, got)
			}
		}
	})
}

func TestWhatDoesNotOpenACircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.peer("core.peer")
		c := w.operator()
		try := func(ctx context.Context, e *rpc.Endpoint, want string) {
			t.Helper()
			for i := range 200 {
				if _, err := say(ctx, c, e, ""); fault.ReasonOf(err) != want {
					t.Fatalf("call %d returned %v, want reason %s", i+1, err, want)
				}
			}
		}
		p.fails(fault.BadRequest, "core.peer.bad")
		try(t.Context(), endpoint("core.peer", "bad"), "core.peer.bad")
		try(t.Context(), endpoint("core.nosuch", "try"), "bus.no_route.unknown_service")
		p.fails(fault.Internal, "core.peer.bug")
		try(platform.To(t.Context(), "core.peer-1"), endpoint("core.peer", "direct"), "core.peer.bug")
	})
}

func TestTooShortADeadlineDoesNotOpenACircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.peer("core.peer").fails(fault.Timeout, "")
		c := w.operator()
		for i := range 150 {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			_, err := say(ctx, c, endpoint("core.peer", "try", upper95(time.Second)), "")
			cancel()
			if !fault.Is(err, fault.Timeout) {
				t.Fatalf("call %d returned %v, want TIMEOUT", i+1, err)
			}
		}
	})
}

func TestAKilledInstanceCostsNoIdempotentCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		e := endpoint("core.echo", "say", idempotent, upper95(100*time.Millisecond))
		handle := text(func(_ context.Context, in string) (string, error) {
			time.Sleep(50 * time.Millisecond)
			return in, nil
		})
		stays := w.service("core.echo")
		stays.Handle(e, handle)
		w.run(stays)
		victim := w.engine.Open(w.zone)
		dies := w.service("core.echo")
		dies.Handle(e, handle)
		go func() {
			_ = dies.Run(t.Context(), func(context.Context) (*bus.Bus, error) { return bus.New(victim), nil })
		}()
		<-dies.Ready()

		c := w.operator()
		var callers sync.WaitGroup
		for i := range 500 {
			callers.Go(func() {
				time.Sleep(time.Duration(i) * 2 * time.Millisecond)
				if _, err := say(t.Context(), c, e, ""); err != nil {
					t.Errorf("call %d failed: %v", i, err)
				}
			})
		}
		time.Sleep(500 * time.Millisecond)
		w.engine.Sever(victim)
		callers.Wait()
	})
}
