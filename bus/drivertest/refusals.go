package drivertest

import (
	"fmt"
	"time"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/bus/driver"
)

func testUnknownService(w *world) {
	b := w.open("a")
	w.wantNoRoute(b, request(w.name("nosuch")), "bus.no_route.unknown_service", w.name("nosuch"))
}

func testLastInstanceLeft(w *world) {
	b := w.open("a")
	service := w.name("svc")
	x := w.binding("a", service, w.name("svc-1"))
	w.fleet(b, x)
	w.apply("a", x)
	w.wantCall(b, request(service), x.Instance)
	w.apply("a")
	today := time.Now().UTC().Format("2006-01-02")
	w.wantNoRoute(b, request(service), "bus.no_route.no_instance", "the last one left at "+today)
	w.wantNoRoute(w.open("a"), request(service), "bus.no_route.no_instance", "the last one left at "+today)
	w.apply("a", x)
	w.wantCall(b, request(service), x.Instance)
}

func testNoMatch(w *world) {
	b := w.open("a")
	service := w.name("svc")
	x := w.binding("a", service, w.name("svc-1"), match(bus.HeaderOverlay, "alice"))
	w.fleet(b, x)
	w.apply("a", x)
	w.wantNoRoute(b, request(service), "bus.no_route.no_match", "matches this message's headers")
}

func testNoWeight(w *world) {
	b := w.open("a")
	service := w.name("svc")
	x := w.binding("a", service, w.name("svc-1"), weight(0))
	w.fleet(b, x)
	w.apply("a", x)
	w.wantNoRoute(b, request(service), "bus.no_route.no_weight", "weights of "+service+" are 0")
}

// testTooFar has the service run in another region only.
func testTooFar(w *world) {
	b := w.open("a")
	service := w.name("svc")
	abroad := driver.Zone{Region: w.zone("a").Region + "-abroad", Zone: "a"}
	x := w.binding("a", service, w.name("svc-1"))
	x.Region = abroad.Region
	there, _ := w.openIn(abroad)
	w.fleet(there, x)
	if err := there.Apply(w.ctx, abroad, []driver.Binding{x}); err != nil {
		w.Fatal(err)
	}
	w.apply("a") // whoever sees this has seen what was applied before
	w.wantNoRoute(b, request(service), "bus.no_route.too_far", service)
}

// testAllGone binds instances that are not connected.
func testAllGone(w *world) {
	b := w.open("a")
	service := w.name("svc")
	w.apply("a", w.binding("a", service, w.name("ghost-1")), w.binding("a", service, w.name("ghost-2")))
	w.wantNoRoute(b, request(service), "bus.no_route.gone", service)
}

func testNextCandidate(w *world) {
	b := w.open("a")
	service := w.name("svc")
	alive := w.binding("a", service, w.name("alive"), weight(1))
	bindings := []driver.Binding{alive}
	for i := range 5 {
		bindings = append(bindings, w.binding("a", service, w.name(fmt.Sprintf("ghost-%d", i))))
	}
	w.fleet(b, alive)
	w.apply("a", bindings...)
	for range 50 {
		start := time.Now()
		w.wantCall(b, request(service), alive.Instance)
		if took := time.Since(start); took > w.limits.AtOnce {
			w.Fatalf("five dead candidates cost %v; want at most %v", took, w.limits.AtOnce)
		}
	}
}

// testLostByOtherZone calls a service that runs in another zone only, before and after
// that zone loses it: bound still, and then unbound.
func testLostByOtherZone(w *world) {
	b, far := w.open("a"), w.open("b")
	service := w.name("svc")
	x := w.binding("b", service, w.name("svc-1"))
	s := w.serve(far, x.Instance, named(x.Instance))
	w.apply("b", x)
	w.wantCall(b, request(service), x.Instance)
	w.drainAndClose(s)
	w.wantNoRoute(b, request(service), "bus.no_route.gone", service)
	w.apply("b")
	w.wantNoRoute(b, request(service), "bus.no_route.no_instance", "the last one left at ")
}

func (w *world) drainAndClose(s *bus.Server) {
	w.Helper()
	if err := s.Drain(w.ctx); err != nil {
		w.Fatalf("drain: %v", err)
	}
	if err := s.Close(); err != nil {
		w.Fatalf("close after drain: %v", err)
	}
}
