package drivertest

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// patience bounds every wait of the suite that has no bound of its own.
const patience = 30 * time.Second

var worlds atomic.Int64

// world is what one test sees: an engine and names that no other test uses.
type world struct {
	testing.TB
	harness Harness
	limits  Capabilities
	ctx     context.Context
	id      int64

	mu     sync.Mutex
	opened []opened
	marks  int
	marked map[driver.Zone]string // the instance that answers for the marks of a zone
}

type opened struct {
	bus  *bus.Bus
	zone driver.Zone
}

func newWorld(tb testing.TB, h Harness) *world {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	tb.Cleanup(cancel)
	limits := h.Capabilities()
	limits.Settle = cmp.Or(limits.Settle, 10*time.Second)
	limits.AtOnce = cmp.Or(limits.AtOnce, 250*time.Millisecond)
	limits.Flood = cmp.Or(limits.Flood, 1000)
	return &world{TB: tb, harness: h, limits: limits, ctx: ctx, id: worlds.Add(1), marked: map[driver.Zone]string{}}
}

// zone returns zone z of a region that belongs to this test.
func (w *world) zone(z string) driver.Zone {
	return driver.Zone{Region: fmt.Sprintf("region-%d", w.id), Zone: z}
}

// name makes a name that only this test uses.
func (w *world) name(s string) string { return fmt.Sprintf("test%d.%s", w.id, s) }

func (w *world) open(z string) *bus.Bus {
	b, _ := w.openDriver(z)
	return b
}

func (w *world) openDriver(z string) (*bus.Bus, driver.Bus) { return w.openIn(w.zone(z)) }

func (w *world) openIn(z driver.Zone) (*bus.Bus, driver.Bus) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, w.limits.Settle)
	defer cancel()
	d, err := w.harness.Open(ctx, z)
	if err != nil {
		w.Fatalf("open a connection in %s: %v", z, err)
	}
	b := bus.New(d)
	w.Cleanup(func() { w.close(b) })
	w.mu.Lock()
	defer w.mu.Unlock()
	w.opened = append(w.opened, opened{b, z})
	return b, d
}

func (w *world) close(b *bus.Bus) {
	w.mu.Lock()
	w.opened = slices.DeleteFunc(w.opened, func(o opened) bool { return o.bus == b })
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := b.Close(ctx); err != nil {
		w.Errorf("close a connection: %v", err)
	}
}

// serve opens the queue of an instance that is closed with the test.
func (w *world) serve(b *bus.Bus, instance string, h bus.Handler) *bus.Server {
	w.Helper()
	s, err := b.Serve(w.ctx, instance, h)
	if err != nil {
		w.Fatalf("serve %s: %v", instance, err)
	}
	w.Cleanup(func() { _ = s.Close() })
	return s
}

// named answers every request with the given name.
func named(name string) bus.Handler {
	return func(context.Context, *bus.Message) *bus.Message {
		return reply([]byte(name))
	}
}

func echo(_ context.Context, m *bus.Message) *bus.Message { return reply(m.Body) }

func reply(body []byte) *bus.Message {
	return &bus.Message{Header: bus.Header{{Key: bus.HeaderType, Value: bus.TypeReply}}, Body: body}
}

// request builds a request to a service; more are pairs of key and value.
func request(service string, more ...string) *bus.Message {
	m := &bus.Message{Header: bus.Header{
		{Key: bus.HeaderService, Value: service},
		{Key: bus.HeaderEndpoint, Value: "test"},
		{Key: bus.HeaderType, Value: bus.TypeRequest},
	}}
	for i := 0; i < len(more); i += 2 {
		m.Header.Set(more[i], more[i+1])
	}
	return m
}

// call sends a request and returns the body of the reply.
func (w *world) call(b *bus.Bus, m *bus.Message) (string, error) {
	ctx, cancel := context.WithTimeout(w.ctx, 10*time.Second)
	defer cancel()
	answer, err := b.Request(ctx, m)
	if err != nil {
		return "", err
	}
	return string(answer.Body), nil
}

// wantCall fails the test unless the request is answered with body.
func (w *world) wantCall(b *bus.Bus, m *bus.Message, body string) {
	w.Helper()
	got, err := w.call(b, m)
	if err != nil || got != body {
		w.Fatalf("request %v: got %q, %v; want %q", m.Header, got, err, body)
	}
}

// binding of an instance in zone z, of version "1" and weight 100 unless changed.
func (w *world) binding(z, service, instance string, change ...func(*driver.Binding)) driver.Binding {
	b := driver.Binding{
		Service: service, Instance: instance, Version: "1", Weight: 100,
		Region: w.zone(z).Region, Zone: z,
	}
	for _, c := range change {
		c(&b)
	}
	return b
}

func version(v string) func(*driver.Binding) { return func(b *driver.Binding) { b.Version = v } }
func weight(n uint32) func(*driver.Binding)  { return func(b *driver.Binding) { b.Weight = n } }
func match(key, value string) func(*driver.Binding) {
	return func(b *driver.Binding) { b.Match = map[string]string{key: value} }
}

// apply makes bindings the set of zone z and returns when every open connection
// of the region routes by them. It tells by a mark: one more service, bound after
// the others.
func (w *world) apply(z string, bindings ...driver.Binding) {
	w.Helper()
	clients := w.inRegion(w.zone(z).Region)
	instance := w.markInstance(z)
	w.mu.Lock()
	w.marks++
	mark := w.name(fmt.Sprintf("mark-%d", w.marks))
	w.mu.Unlock()
	control := w.in(z)
	w.mustApply(control, z, bindings...)
	w.mustApply(control, z, append(slices.Clone(bindings), w.binding(z, mark, instance))...)
	for _, b := range clients {
		w.await("a connection follows the bindings of zone "+z, func() bool {
			_, err := w.call(b, request(mark))
			return err == nil
		})
	}
}

func (w *world) mustApply(b *bus.Bus, z string, bindings ...driver.Binding) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, w.limits.Settle)
	defer cancel()
	if err := b.Apply(ctx, w.zone(z), bindings); err != nil {
		w.Fatalf("apply %d bindings to zone %s: %v", len(bindings), z, err)
	}
}

// in returns a connection of zone z: the first that the test opened there, else a
// new one. Only such may apply and list the zone's bindings.
func (w *world) in(z string) *bus.Bus {
	w.Helper()
	w.mu.Lock()
	i := slices.IndexFunc(w.opened, func(o opened) bool { return o.zone == w.zone(z) })
	if i >= 0 {
		defer w.mu.Unlock()
		return w.opened[i].bus
	}
	w.mu.Unlock()
	return w.open(z)
}

// inRegion returns the connections that are open in a region.
func (w *world) inRegion(region string) []*bus.Bus {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []*bus.Bus
	for _, o := range w.opened {
		if o.zone.Region == region {
			all = append(all, o.bus)
		}
	}
	return all
}

// markInstance serves an instance in zone z that answers for its marks.
func (w *world) markInstance(z string) string {
	w.mu.Lock()
	instance := w.marked[w.zone(z)]
	w.mu.Unlock()
	if instance != "" {
		return instance
	}
	instance = w.name("mark-" + z)
	w.serve(w.in(z), instance, echo)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.marked[w.zone(z)] = instance
	return instance
}

// await polls until done says so, within the harness's Settle.
func (w *world) await(what string, done func() bool) {
	w.Helper()
	w.awaitFor(w.limits.Settle, what, done)
}

func (w *world) awaitFor(limit time.Duration, what string, done func() bool) {
	w.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline.C:
			w.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// receive takes one value from a channel or fails the test.
func receive[T any](w *world, what string, from <-chan T) T {
	w.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		w.Fatalf("not within %v: %s", patience, what)
		panic("unreachable")
	}
}

// wantFault fails the test unless err has the code and the reason, or the reason
// is "".
func (w *world) wantFault(err error, code fault.Code, reason string) {
	w.Helper()
	if !fault.Is(err, code) || (reason != "" && fault.ReasonOf(err) != reason) {
		w.Fatalf("got error %v; want %s %s", err, code, reason)
	}
}

// refused is how long a refusal may take.
const refused = 50 * time.Millisecond

// wantNoRoute fails the test unless m is refused with the reason, the message contains text, and the fastest of some
// refusals comes in time: the others may have met a busy machine.
func (w *world) wantNoRoute(b *bus.Bus, m *bus.Message, reason, text string) {
	w.Helper()
	const tries = 5
	fastest := time.Duration(math.MaxInt64)
	for range tries {
		start := time.Now()
		_, err := w.call(b, m)
		fastest = min(fastest, time.Since(start))
		w.wantFault(err, fault.NoRoute, reason)
		if !strings.Contains(err.Error(), text) {
			w.Fatalf("NO_ROUTE says %q; want it to contain %q", err, text)
		}
		if fastest <= refused {
			return
		}
	}
	w.Fatalf("the fastest of %d NO_ROUTE took %v; want at most %v", tries, fastest, refused)
}

// many runs f(0) to f(n-1) from several goroutines and returns when all are done.
func many(workers, n int, f func(i int)) {
	var next atomic.Int64
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				f(int(i))
			}
		})
	}
	group.Wait()
}
