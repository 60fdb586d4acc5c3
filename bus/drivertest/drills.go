package drivertest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/bus/driver"
)

// A Breaker is a Harness whose engine can be broken in part, by real signals and
// cut links. What breaks is mended by the function that comes back, which returns
// when the engine takes connections again.
type Breaker interface {
	Harness
	// Nodes is the number of the engine's processes.
	Nodes() int
	// Kill ends a node as kill -9 does.
	Kill(ctx context.Context, node int) (mend func(context.Context) error, err error)
	// Stop halts a node as SIGSTOP does: its connections stay open, nothing answers.
	Stop(ctx context.Context, node int) (mend func(context.Context) error, err error)
	// Cut cuts the links between the engine's parts, or where it has one part only
	// those between it and the clients.
	Cut(ctx context.Context) (mend func(context.Context) error, err error)
}

// runDrills breaks what can be broken, one thing after the other, under load.
func runDrills(t *testing.T, b Breaker) {
	for node := range b.Nodes() {
		t.Run(fmt.Sprintf("Kill/EachNode/%d", node), func(t *testing.T) {
			newWorld(t, b).drill(func(ctx context.Context) (func(context.Context) error, error) { return b.Kill(ctx, node) })
		})
		t.Run(fmt.Sprintf("Stop/EachNode/%d", node), func(t *testing.T) {
			newWorld(t, b).drill(func(ctx context.Context) (func(context.Context) error, error) { return b.Stop(ctx, node) })
		})
	}
	t.Run("Cut/Links", func(t *testing.T) { newWorld(t, b).drill(b.Cut) })
}

// drill breaks the engine under load and mends it. Each call returns within its
// budget with a reply or a fault of the contract; where the engine is redundant calls
// succeed while it is broken, and everywhere they do after it is mended. Bindings are
// kept, no request is handled twice, no acknowledged event is lost.
func (w *world) drill(breakIt func(context.Context) (func(context.Context) error, error)) {
	w.Helper()
	client := w.open("a")
	service := w.name("svc")
	bindings := []driver.Binding{w.binding("a", service, w.name("svc-1")), w.binding("a", service, w.name("svc-2"))}
	var handled tally
	for _, x := range bindings {
		w.serve(w.open("a"), x.Instance, handled.serve)
	}
	w.apply("a", bindings...)
	w.mustApply(client, "a", bindings...) // without the mark
	events := w.publishOn(client, w.name("topic"), w.name("group"))
	load := w.load(client, service, time.Second)
	w.await("calls succeed before anything breaks", func() bool { return load.good.Load() > 100 })

	mend, err := breakIt(w.ctx)
	if err != nil {
		w.Fatalf("break the engine: %v", err)
	}
	load.good.Store(0)
	load.bad.Store(0)
	if w.limits.Redundant {
		w.await("calls succeed while a part is broken", func() bool { return load.good.Load() > 100 })
	} else {
		w.await("calls fail while the engine is broken", func() bool { return load.bad.Load() > 32 })
	}
	if err := mend(w.ctx); err != nil {
		w.Fatalf("mend the engine: %v", err)
	}
	load.good.Store(0)
	w.await("calls succeed after the engine is mended", func() bool { return load.good.Load() > 100 })
	load.stop()
	events.stop()

	w.awaitCalls(client, service, 200)
	w.wantBindings(client, "a", bindings...)
	handled.wantOnce(w)
	w.awaitFor(patience, "every acknowledged event is handled", func() bool { return len(events.missing()) == 0 })
}

// awaitCalls waits until n calls in a row succeed.
func (w *world) awaitCalls(b *bus.Bus, service string, n int) {
	w.Helper()
	w.await(fmt.Sprintf("%d calls in a row succeed", n), func() bool {
		for range n {
			if _, err := w.call(b, request(service)); err != nil {
				return false
			}
		}
		return true
	})
}

// tally counts how often each request was handled, by its body.
type tally struct {
	mu     sync.Mutex
	bodies map[string]int
}

func (t *tally) serve(_ context.Context, m *bus.Message) *bus.Message {
	if len(m.Body) > 0 {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.bodies == nil {
			t.bodies = map[string]int{}
		}
		t.bodies[string(m.Body)]++
	}
	return reply(m.Body)
}

func (t *tally) wantOnce(w *world) {
	w.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	for body, n := range t.bodies {
		if n > 1 {
			w.Fatalf("request %s was handled %d times; want once at most", body, n)
		}
	}
}

// events are published to a group while the engine breaks.
type events struct {
	got  journal
	stop func()

	mu    sync.Mutex
	acked []string
}

// publishOn publishes until the events are stopped, and notes what the engine took.
func (w *world) publishOn(b *bus.Bus, topic, group string) *events {
	w.Helper()
	e := &events{}
	w.subscribe(w.open("a"), bus.Subscription{Topic: topic, Group: group, AckWait: 2 * time.Second}, e.got.note)
	ctx, cancel := context.WithCancel(w.ctx)
	var publisher sync.WaitGroup
	publisher.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			e.publish(ctx, b, topic, fmt.Sprint(i))
			pause(ctx, 5*time.Millisecond)
		}
	})
	e.stop = func() {
		cancel()
		publisher.Wait()
	}
	w.Cleanup(e.stop)
	return e
}

func (e *events) publish(ctx context.Context, b *bus.Bus, topic, body string) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if b.Publish(ctx, topic, &bus.Message{Body: []byte(body)}) == nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.acked = append(e.acked, body)
	}
}

// missing names the events that the engine acknowledged and nobody has handled yet.
func (e *events) missing() (missing []string) {
	seen := map[string]bool{}
	for _, body := range e.got.all() {
		seen[body] = true
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, body := range e.acked {
		if !seen[body] {
			missing = append(missing, body)
		}
	}
	return missing
}
