package drivertest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// testRestartUnderLoad restarts the engine while many callers call. Each call
// returns within its budget with a reply or a fault of the contract, and calls
// succeed again without anybody's help.
func testRestartUnderLoad(w *world) {
	const budget = time.Second
	client := w.open("a")
	service := w.name("svc")
	bindings := []driver.Binding{w.binding("a", service, w.name("svc-1")), w.binding("a", service, w.name("svc-2"))}
	for _, x := range bindings {
		w.serve(w.open("a"), x.Instance, echo)
	}
	w.apply("a", bindings...)
	load := w.load(client, service, budget)
	w.await("calls succeed before the restart", func() bool { return load.good.Load() > 100 })
	for range 2 {
		if err := w.harness.Restart(w.ctx); err != nil {
			w.Fatalf("restart the engine: %v", err)
		}
		load.good.Store(0)
		w.await("calls succeed after the restart", func() bool { return load.good.Load() > 100 })
	}
	load.stop()
	for i := range 200 {
		if _, err := w.call(client, request(service)); err != nil {
			w.Fatalf("call %d after all is back: %v", i, err)
		}
	}
}

type load struct {
	good, bad, sent atomic.Int64
	stop            func()
}

// load calls service from 32 goroutines and checks every outcome.
func (w *world) load(b *bus.Bus, service string, budget time.Duration) *load {
	ctx, cancel := context.WithCancel(w.ctx)
	l := &load{}
	var callers sync.WaitGroup
	for range 32 {
		callers.Go(func() {
			for ctx.Err() == nil {
				w.checkedCall(b, service, budget, l)
			}
		})
	}
	l.stop = func() {
		cancel()
		callers.Wait()
	}
	w.Cleanup(l.stop)
	return l
}

func (w *world) checkedCall(b *bus.Bus, service string, budget time.Duration, l *load) {
	ctx, cancel := context.WithTimeout(w.ctx, budget)
	defer cancel()
	start := time.Now()
	m := request(service)
	m.Body = fmt.Append(nil, l.sent.Add(1))
	_, err := b.Request(ctx, m)
	if took := time.Since(start); took > budget+time.Second {
		w.Errorf("a call with a budget of %v took %v (%v)", budget, took, err)
	}
	switch {
	case err == nil:
		l.good.Add(1)
	case fault.Is(err, fault.Unavailable), fault.Is(err, fault.Timeout), fault.Is(err, fault.NoRoute):
		l.bad.Add(1)
		pause(w.ctx, time.Millisecond)
	default:
		w.Errorf("a call across a restart failed with %v; want UNAVAILABLE, TIMEOUT or NO_ROUTE", err)
	}
}

// testRestartMidCall restarts the engine under requests that are being handled.
// Their callers hear of it long before their budget ends, and that the request
// may have been handled.
func testRestartMidCall(w *world) {
	const calls = 8
	client := w.open("a")
	entered, release := make(chan struct{}, calls), make(chan struct{})
	defer close(release)
	w.serve(w.open("a"), w.name("svc-1"), func(context.Context, *bus.Message) *bus.Message {
		entered <- struct{}{}
		<-release
		return nil
	})
	failed := make(chan error, calls)
	for range calls {
		go func() {
			ctx, cancel := context.WithTimeout(w.ctx, patience)
			defer cancel()
			_, err := client.RequestTo(ctx, w.name("svc-1"), request("any"))
			failed <- err
		}()
		receive(w, "the request is handled", entered)
	}
	start := time.Now()
	if err := w.harness.Restart(w.ctx); err != nil {
		w.Fatalf("restart the engine: %v", err)
	}
	for range calls {
		err := receive(w, "the caller has an answer", failed)
		w.wantFault(err, fault.Unavailable, driver.ReasonLost)
		if bus.NotSent(err) {
			w.Fatalf("NotSent(%v) is true for a request that was handled", err)
		}
	}
	if took := time.Since(start); took > w.limits.Settle {
		w.Fatalf("callers heard of the restart after %v; want at most %v", took, w.limits.Settle)
	}
}

func testRestartKeepsBindings(w *world) {
	b := w.open("a")
	service := w.name("svc")
	x := w.binding("a", service, w.name("svc-1"))
	w.fleet(b, x)
	w.mustApply(b, "a", x)
	if err := w.harness.Restart(w.ctx); err != nil {
		w.Fatalf("restart the engine: %v", err)
	}
	w.await("the connection is back", func() bool { return b.Check(w.ctx) == nil })
	w.wantBindings(b, "a", x)
	w.wantCall(w.open("a"), request(service), x.Instance)
	y := w.binding("a", service, w.name("svc-2"))
	w.fleet(b, y)
	w.apply("a", y)
	w.wantCall(b, request(service), y.Instance)
}

// testRestartKeepsGroups publishes before, across and after a restart.
func testRestartKeepsGroups(w *world) {
	publisher, member := w.open("a"), w.open("a")
	s := bus.Subscription{Topic: w.name("topic"), Group: w.name("group"), AckWait: 2 * time.Second}
	var got, ephemeral journal
	w.subscribe(w.open("a"), bus.Subscription{Topic: s.Topic}, ephemeral.note)
	leaver := w.subscribe(member, s, got.note)
	w.publish(publisher, s.Topic, "0")
	w.await("the first event is handled", func() bool { return len(got.all()) == 1 })
	w.drainWithin(leaver, 5*time.Second)
	w.publish(publisher, s.Topic, "1")
	if err := w.harness.Restart(w.ctx); err != nil {
		w.Fatalf("restart the engine: %v", err)
	}
	w.subscribeAgain(member, s, got.note)
	w.await("the connections are back", func() bool { return publisher.Check(w.ctx) == nil })
	for i := 2; i < 10; i++ {
		w.publish(publisher, s.Topic, fmt.Sprint(i))
	}
	w.awaitFor(patience, "every event is handled", func() bool { return len(got.all()) >= 10 })
	w.wantOnce(got.all(), 10)
	w.await("the ephemeral subscription is back", func() bool {
		w.publish(publisher, s.Topic, "ping")
		all := ephemeral.all()
		return len(all) > 0 && all[len(all)-1] == "ping"
	})
}

// subscribeAgain joins as soon as the engine lets it.
func (w *world) subscribeAgain(b *bus.Bus, s bus.Subscription, h bus.EventHandler) {
	w.await("the group can be joined again", func() bool {
		sub, err := b.Subscribe(w.ctx, s, h)
		if err != nil {
			return false
		}
		w.Cleanup(func() { _ = sub.Close() })
		return true
	})
}
