package drivertest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/goleak"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// testSlowHandler wants a handler that blocks to hold up nobody else.
func testSlowHandler(w *world) {
	b := w.open("a")
	release := make(chan struct{})
	w.serve(b, w.name("svc-1"), func(_ context.Context, m *bus.Message) *bus.Message {
		if string(m.Body) == "slow" {
			<-release
		}
		return reply(m.Body)
	})
	var slow sync.WaitGroup
	for range 100 {
		slow.Go(func() {
			m := request("any")
			m.Body = []byte("slow")
			if _, err := b.RequestTo(w.ctx, w.name("svc-1"), m); err != nil {
				w.Errorf("slow request: %v", err)
			}
		})
	}
	for range 100 {
		ctx, cancel := context.WithTimeout(w.ctx, time.Second)
		if _, err := b.RequestTo(ctx, w.name("svc-1"), request("any")); err != nil {
			w.Errorf("request beside 100 slow ones: %v", err)
		}
		cancel()
	}
	close(release)
	slow.Wait()
}

// testDrain takes one of two instances away under load, again and again: unbind,
// drain, close. No request may fail.
func testDrain(w *world) {
	b := w.open("a")
	service := w.name("svc")
	stable := w.binding("a", service, w.name("stable"), weight(1))
	slowly := func(ctx context.Context, m *bus.Message) *bus.Message {
		pause(ctx, time.Millisecond)
		return reply(m.Body)
	}
	w.serve(w.open("a"), stable.Instance, slowly)
	w.apply("a", stable)
	ctx, stop := context.WithCancel(w.ctx)
	var calls, failed atomic.Int64
	var load sync.WaitGroup
	for range 16 {
		load.Go(func() {
			for ctx.Err() == nil {
				if _, err := w.call(b, request(service)); err != nil && failed.Add(1) < 4 {
					w.Errorf("request %d failed during a drain: %v", calls.Load(), err)
				}
				calls.Add(1)
			}
		})
	}
	for i := range 8 {
		w.comeAndGo(w.binding("a", service, w.name(fmt.Sprint("passing-", i))), stable, i%2 == 0, slowly)
	}
	stop()
	load.Wait()
	if calls.Load() < 100 {
		w.Fatalf("only %d requests were made", calls.Load())
	}
}

// comeAndGo runs one more instance until it has served for a while, then drains
// it. Unless it is unbound first, it stays bound, as when its process gets
// SIGTERM before anybody knows.
func (w *world) comeAndGo(passing, stable driver.Binding, unbind bool, h bus.Handler) {
	var served atomic.Int64
	conn := w.open("a")
	s := w.serve(conn, passing.Instance, func(ctx context.Context, m *bus.Message) *bus.Message {
		served.Add(1)
		return h(ctx, m)
	})
	w.apply("a", stable, passing)
	w.await("the new instance serves", func() bool { return served.Load() > 200 })
	if unbind {
		w.mustApply(w.in("a"), "a", stable)
	}
	w.drainAndClose(s)
	w.close(conn)
}

// pause returns after d or with ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func testCloseCancels(w *world) {
	b := w.open("a")
	entered, ended := make(chan struct{}), make(chan struct{})
	s := w.serve(b, w.name("svc-1"), func(ctx context.Context, _ *bus.Message) *bus.Message {
		close(entered)
		<-ctx.Done()
		close(ended)
		return nil
	})
	ctx, cancel := context.WithTimeout(w.ctx, 300*time.Millisecond)
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		_, err := b.RequestTo(ctx, w.name("svc-1"), request("any"))
		failed <- err
	}()
	receive(w, "the request is handled", entered)
	if err := s.Close(); err != nil {
		w.Fatal(err)
	}
	if err := s.Close(); err != nil {
		w.Fatalf("second Close: %v", err)
	}
	receive(w, "the handler's context ends", ended)
	if err := receive(w, "the caller has an answer", failed); err == nil {
		w.Fatal("the caller got a reply from a handler that gave none")
	}
	_, err := b.RequestTo(w.ctx, w.name("svc-1"), request("any"))
	w.wantFault(err, fault.NoRoute, "")
}

// testKilledMidCall cuts a server off while it handles a request.
func testKilledMidCall(w *world) {
	client := w.open("a")
	victim, raw := w.openDriver("a")
	service := w.name("svc")
	dying, heir := w.binding("a", service, w.name("dying")), w.binding("a", service, w.name("heir"), weight(0))
	entered, release := make(chan struct{}, 1), make(chan struct{})
	w.serve(victim, dying.Instance, func(context.Context, *bus.Message) *bus.Message {
		entered <- struct{}{}
		<-release
		return reply([]byte("from the dead"))
	})
	w.fleet(client, heir)
	w.apply("a", dying, heir)
	const budget = 500 * time.Millisecond
	ctx, cancel := context.WithTimeout(w.ctx, budget)
	defer cancel()
	failed := make(chan error, 1)
	start := time.Now()
	go func() {
		_, err := client.Request(ctx, request(service))
		failed <- err
	}()
	receive(w, "the request is handled", entered)
	w.harness.Abandon(raw)
	close(release)
	err := receive(w, "the caller has an answer", failed)
	if !fault.Is(err, fault.Timeout) && !fault.Is(err, fault.Unavailable) {
		w.Fatalf("the server was killed mid-call: got %v; want TIMEOUT or UNAVAILABLE", err)
	}
	if took := time.Since(start); took > budget+w.limits.AtOnce {
		w.Fatalf("the caller waited %v; want at most its budget of %v", took, budget)
	}
	w.await("the queue of the killed instance is gone", func() bool {
		_, err := w.call(client, request(service))
		return fault.Is(err, fault.NoRoute)
	})
	dying.Weight, heir.Weight = 100, 100
	w.mustApply(client, "a", dying, heir)
	w.await("the other instance serves", func() bool {
		got, err := w.call(client, request(service))
		return err == nil && got == heir.Instance
	})
}

func testCloseUnderWay(w *world) {
	client, server := w.open("a"), w.open("a")
	entered, release := make(chan struct{}, 8), make(chan struct{})
	w.serve(server, w.name("svc-1"), func(context.Context, *bus.Message) *bus.Message {
		entered <- struct{}{}
		<-release
		return reply(nil)
	})
	failed := make(chan error, 8)
	for range 8 {
		go func() {
			_, err := client.RequestTo(w.ctx, w.name("svc-1"), request("any"))
			failed <- err
		}()
		receive(w, "the request is handled", entered)
	}
	w.close(client)
	for range 8 {
		w.wantFault(receive(w, "a request under way returns", failed), fault.Unavailable, "")
	}
	close(release)
	_, err := client.RequestTo(w.ctx, w.name("svc-1"), request("any"))
	w.wantFault(err, fault.Unavailable, "")
	w.wantFault(client.Publish(w.ctx, w.name("topic"), &bus.Message{}), fault.Unavailable, "")
	w.wantFault(client.Check(w.ctx), fault.Unavailable, "")
	if err := server.Check(w.ctx); err != nil {
		w.Fatalf("check of the connection that stays: %v", err)
	}
}

func testNoGoroutineLeft(w *world) {
	keep := w.open("a")
	group := bus.Subscription{Topic: w.name("topic"), Group: w.name("group")}
	warm := make(chan struct{}, 1)
	w.subscribe(keep, group, func(context.Context, *bus.Event) error {
		warm <- struct{}{}
		return nil
	})
	w.publish(keep, group.Topic, "what the engine keeps for the group is no leak")
	receive(w, "the group works", warm)
	before := goleak.IgnoreCurrent()
	for i := range 5 {
		b := w.open("a")
		s := w.serve(b, w.name(fmt.Sprint("svc-", i)), echo)
		if _, err := b.Subscribe(w.ctx, bus.Subscription{Topic: w.name("topic")}, ignore); err != nil {
			w.Fatal(err)
		}
		if _, err := b.Subscribe(w.ctx, group, ignore); err != nil {
			w.Fatal(err)
		}
		if _, err := keep.RequestTo(w.ctx, w.name(fmt.Sprint("svc-", i)), request("any")); err != nil {
			w.Fatal(err)
		}
		if err := s.Drain(w.ctx); err != nil {
			w.Fatal(err)
		}
		w.close(b)
	}
	if err := leaks(before); err != nil {
		w.Fatalf("five connections were opened and closed: %v", err)
	}
}
