package drivertest

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// wantBindings fails the test unless zone z has exactly these, in any order.
func (w *world) wantBindings(b *bus.Bus, z string, want ...driver.Binding) {
	w.Helper()
	got, err := b.Bindings(w.ctx, w.zone(z))
	if err != nil {
		w.Fatalf("list the bindings of zone %s: %v", z, err)
	}
	if g, x := sortedJSON(got), sortedJSON(want); !slices.Equal(g, x) {
		w.Fatalf("zone %s is bound so:\n%s\nwant:\n%s", z, strings.Join(g, "\n"), strings.Join(x, "\n"))
	}
}

func sortedJSON(bindings []driver.Binding) []string {
	var all []string
	for _, b := range bindings {
		text, _ := json.Marshal(b)
		all = append(all, string(text))
	}
	slices.Sort(all)
	return all
}

func testApplyReplaces(w *world) {
	b, other, inB := w.open("a"), w.open("a"), w.open("b")
	x := w.binding("a", w.name("x"), w.name("x-1"), match(bus.HeaderOverlay, "alice"))
	x.Salt = "2026"
	y := w.binding("a", w.name("y"), w.name("y-1"), weight(0))
	y2 := w.binding("a", w.name("y"), w.name("y-2"), version("2"))
	far := w.binding("b", w.name("x"), w.name("x-9"))
	w.wantBindings(b, "a")
	w.mustApply(inB, "b", far)
	w.mustApply(b, "a", x, y)
	w.wantBindings(other, "a", x, y)
	w.mustApply(other, "a", x, y) // the same again
	w.wantBindings(b, "a", x, y)
	w.mustApply(b, "a", y2, y)
	w.wantBindings(other, "a", y, y2)
	w.mustApply(b, "a", y2)
	w.wantBindings(other, "a", y2)
	w.mustApply(b, "a")
	w.wantBindings(other, "a")
	w.wantBindings(inB, "b", far)
}

func testApplyChecks(w *world) {
	b := w.open("a")
	w.wantFault(b.Apply(w.ctx, w.zone("a"), []driver.Binding{w.binding("b", "svc", "svc-1")}), fault.BadRequest, driver.ReasonBadBinding)
	w.wantFault(b.Apply(w.ctx, w.zone("a"), []driver.Binding{w.binding("a", "", "svc-1")}), fault.BadRequest, driver.ReasonBadBinding)
	w.wantFault(b.Apply(w.ctx, w.zone("a"), []driver.Binding{w.binding("a", "svc", "")}), fault.BadRequest, driver.ReasonBadBinding)
}

// testKnownAtOpen wants a fresh connection to route at once.
func testKnownAtOpen(w *world) {
	b := w.open("a")
	x := w.binding("a", w.name("svc"), w.name("svc-1"))
	w.fleet(b, x)
	w.apply("a", x)
	for range 10 {
		w.wantCall(w.open("a"), request(w.name("svc")), x.Instance)
	}
}

// testNewBeforeOld replaces the one instance of a service again and again under
// load: no request may find it unbound.
func testNewBeforeOld(w *world) {
	b := w.open("a")
	service := w.name("svc")
	one, two := w.binding("a", service, w.name("one")), w.binding("a", service, w.name("two"))
	w.fleet(b, one, two)
	w.apply("a", one)
	ctx, stop := context.WithCancel(w.ctx)
	var calls atomic.Int64
	done := make(chan error, 1)
	go func() {
		for ctx.Err() == nil {
			if _, err := w.call(b, request(service)); err != nil {
				done <- err
				return
			}
			calls.Add(1)
		}
		done <- nil
	}()
	for i := range 60 {
		w.mustApply(b, "a", []driver.Binding{one, two}[i%2])
	}
	w.await("requests were made", func() bool { return calls.Load() > 100 || len(done) > 0 })
	stop()
	if err := <-done; err != nil {
		w.Fatalf("request %d, while one instance replaced the other: %v", calls.Load()+1, err)
	}
}
