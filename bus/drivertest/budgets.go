package drivertest

import (
	"context"
	"time"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

func testCallerTimesOut(w *world) {
	b := w.open("a")
	finish := make(chan struct{})
	w.serve(b, w.name("svc-1"), func(_ context.Context, m *bus.Message) *bus.Message {
		if string(m.Body) == "late" {
			<-finish
		}
		return reply(m.Body)
	})
	const budget = 100 * time.Millisecond
	ctx, cancel := context.WithTimeout(w.ctx, budget)
	defer cancel()
	start := time.Now()
	m := request("any")
	m.Body = []byte("late")
	_, err := b.RequestTo(ctx, w.name("svc-1"), m)
	took := time.Since(start)
	close(finish)
	w.wantFault(err, fault.Timeout, driver.ReasonTimeout)
	if fault.From(err).Origin != fault.Local {
		w.Fatalf("the timeout is marked as said by the peer; want local")
	}
	if took < budget || took > budget+w.limits.AtOnce {
		w.Fatalf("the call took %v; want its budget of %v", took, budget)
	}
	// The late reply must not be taken for the answer to another request.
	for range 50 {
		m := request("any")
		m.Body = []byte("next")
		answer, err := b.RequestTo(w.ctx, w.name("svc-1"), m)
		if err != nil || string(answer.Body) != "next" {
			w.Fatalf("after a late reply: got %v, %v; want %q", answer, err, "next")
		}
	}
}

func testHandlerSeesBudget(w *world) {
	b := w.open("a")
	ended := make(chan time.Duration, 1)
	w.serve(b, w.name("svc-1"), func(ctx context.Context, _ *bus.Message) *bus.Message {
		start := time.Now()
		if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > 100*time.Millisecond {
			w.Errorf("the handler's deadline is %v (%v); want within the caller's 100 ms", deadline, ok)
		}
		<-ctx.Done()
		ended <- time.Since(start)
		return nil
	})
	ctx, cancel := context.WithTimeout(w.ctx, 100*time.Millisecond)
	defer cancel()
	_, err := b.RequestTo(ctx, w.name("svc-1"), request("any"))
	w.wantFault(err, fault.Timeout, "")
	if took := receive(w, "the handler's context ends", ended); took > 100*time.Millisecond+w.limits.AtOnce {
		w.Fatalf("the handler's context ended after %v; want 100 ms", took)
	}
}

// testSpentBudget goes below package bus, which would not send such messages.
func testSpentBudget(w *world) {
	b, raw := w.openDriver("a")
	handled := make(chan string, 10)
	w.serve(b, w.name("svc-1"), func(_ context.Context, m *bus.Message) *bus.Message {
		handled <- m.Header.Get(bus.HeaderBudget)
		return reply(nil)
	})
	for _, budget := range []string{"0", "-5", "", "soon"} {
		ctx, cancel := context.WithTimeout(w.ctx, 50*time.Millisecond)
		m := request("any", driver.HeaderBudget, budget)
		_, err := raw.Request(ctx, w.name("svc-1"), m)
		cancel()
		w.wantFault(err, fault.Timeout, "")
	}
	if _, err := b.RequestTo(w.ctx, w.name("svc-1"), request("any")); err != nil {
		w.Fatal(err)
	}
	<-handled
	select {
	case budget := <-handled:
		w.Fatalf("a message with budget %q was handled", budget)
	default:
	}
}
