package membus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/bus/drivertest"
	"github.com/hansom-platform/hansom/fault"
)

func BenchmarkBus(b *testing.B) { drivertest.RunBenchmarks(b, newHarness) }

var zone = driver.Zone{Region: "local", Zone: "a"}

// served returns an engine with one instance, "svc-1", that tells a request's budget.
func served(t *testing.T) (*Engine, *bus.Bus) {
	t.Helper()
	e := New()
	b := bus.New(e.Open(zone))
	t.Cleanup(func() { _ = b.Close(context.Background()) })
	s, err := b.Serve(t.Context(), "svc-1", func(_ context.Context, m *bus.Message) *bus.Message {
		return &bus.Message{Body: []byte(m.Header.Get(bus.HeaderBudget))}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return e, b
}

func TestCallsWaitOutAShortOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, b := served(t)
		e.Stop()
		time.AfterFunc(time.Second, e.Start)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		answer, err := b.RequestTo(ctx, "svc-1", &bus.Message{})
		if err != nil || string(answer.Body) != "4000" {
			t.Errorf("a request with 5 s, of which 1 s went to an outage: %v, %v; want a budget of 4000 ms", answer, err)
		}
	})
}

func TestALongOutageFailsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, b := served(t)
		e.Stop()
		for name, call := range map[string]func() error{
			"request": func() error { _, err := b.RequestTo(t.Context(), "svc-1", &bus.Message{}); return err },
			"publish": func() error { return b.Publish(t.Context(), "topic", &bus.Message{}) },
			"apply":   func() error { return b.Apply(t.Context(), zone, nil) },
			"list":    func() error { _, err := b.Bindings(t.Context(), zone); return err },
			"letters": func() error { _, err := b.DeadLetters(t.Context(), "group", 1); return err },
			"check":   func() error { return b.Check(t.Context()) },
		} {
			start := time.Now()
			if err := call(); !fault.Is(err, fault.Unavailable) || time.Since(start) > patience {
				t.Errorf("%s: %v after %v; want UNAVAILABLE within %v", name, err, time.Since(start), patience)
			}
		}
	})
}

func TestSeveredRequestsMayHaveBeenHandled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := served(t)
		d := e.Open(zone)
		b := bus.New(d)
		server := bus.New(e.Open(zone))
		defer func() { _ = server.Close(context.Background()) }()
		queue, err := server.Serve(t.Context(), "svc-2", func(ctx context.Context, _ *bus.Message) *bus.Message {
			<-ctx.Done()
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = queue.Close() }()
		failed := make(chan error, 1)
		go func() {
			_, err := b.RequestTo(context.Background(), "svc-2", &bus.Message{})
			failed <- err
		}()
		synctest.Wait()
		e.Sever(d)
		if err := <-failed; fault.ReasonOf(err) != driver.ReasonLost {
			t.Errorf("a request under way on a severed connection: %v; want %s", err, driver.ReasonLost)
		}
		if _, err := b.RequestTo(t.Context(), "svc-2", &bus.Message{}); !bus.NotSent(err) {
			t.Errorf("a request on a severed connection: %v; want one that says it was not sent", err)
		}
	})
}

func TestRedeliveryIsExactInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, b := served(t)
		start := time.Now()
		var at []time.Duration
		sub, err := b.Subscribe(t.Context(), bus.Subscription{Topic: "topic", Group: "group", MaxDeliver: 4, RetryDelay: time.Second},
			func(context.Context, *bus.Event) error {
				at = append(at, time.Since(start))
				return errors.New("never")
			})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = sub.Close() }()
		if err := b.Publish(t.Context(), "topic", &bus.Message{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if want := []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second}; !slices.Equal(at, want) {
			t.Errorf("deliveries came after %v; want %v", at, want)
		}
	})
}

func TestMessagesAreCopied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New()
		b := bus.New(e.Open(zone))
		defer func() { _ = b.Close(context.Background()) }()
		var kept *bus.Message
		s, err := b.Serve(t.Context(), "svc-1", func(_ context.Context, m *bus.Message) *bus.Message {
			kept = m
			return &bus.Message{Body: m.Body}
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		sent := &bus.Message{Header: bus.Header{{Key: "k", Value: "v"}}, Body: []byte("sent")}
		answer, err := b.RequestTo(t.Context(), "svc-1", sent)
		if err != nil {
			t.Fatal(err)
		}
		sent.Body[0], sent.Header[0].Value, answer.Body[1] = 'X', "X", 'X'
		if string(kept.Body) != "sent" || kept.Header.Get("k") != "v" {
			t.Errorf("the receiver's message changed with the sender's: %q %q", kept.Body, kept.Header.Get("k"))
		}
	})
}

func TestLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, b := served(t)
		for _, s := range []bus.Subscription{{Topic: "topic"}, {Topic: "topic", Group: "group"}} {
			if _, err := b.Subscribe(t.Context(), s, func(context.Context, *bus.Event) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
		want := []string{"1 members of group group on topic", "queue svc-1", "subscription to topic"}
		if got := e.Left(); !slices.Equal(got, want) {
			t.Errorf("Left = %q, want %q", got, want)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(e.Left()); got != "[]" {
			t.Errorf("after Close, Left = %s", got)
		}
	})
}
