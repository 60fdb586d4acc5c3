package drivertest

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/bus/driver"
)

// deviations is how far a count may be from its mean, in standard deviations of
// the binomial distribution: a true driver exceeds it once in 100,000 runs.
const deviations = 4.5

// wantShare fails the test unless count out of n draws fits probability p.
func (w *world) wantShare(what string, count, n int, p float64) {
	w.Helper()
	mean, sd := float64(n)*p, math.Sqrt(float64(n)*p*(1-p))
	if z := (float64(count) - mean) / sd; math.Abs(z) > deviations {
		w.Fatalf("%s: %d of %d draws; want %.0f ± %.0f (z = %.1f)", what, count, n, mean, deviations*sd, z)
	}
}

// fleet serves one instance per binding on b, a connection of their zone, each
// answering with its own id.
func (w *world) fleet(b *bus.Bus, bindings ...driver.Binding) {
	w.Helper()
	for _, binding := range bindings {
		w.serve(b, binding.Instance, named(binding.Instance))
	}
}

// draw sends n requests and counts who answered.
func (w *world) draw(b *bus.Bus, n int, m func(i int) *bus.Message) map[string]int {
	w.Helper()
	var mu sync.Mutex
	counts := map[string]int{}
	var failed atomic.Pointer[error]
	many(32, n, func(i int) {
		got, err := w.call(b, m(i))
		if err != nil {
			failed.CompareAndSwap(nil, &err)
		}
		mu.Lock()
		defer mu.Unlock()
		counts[got]++
	})
	if err := failed.Load(); err != nil {
		w.Fatalf("one of %d requests failed: %v", n, *err)
	}
	return counts
}

func testWeights(w *world) {
	const draws = 20_000
	b := w.open("a")
	service := w.name("svc")
	bindings := []driver.Binding{
		w.binding("a", service, w.name("i10"), weight(10)),
		w.binding("a", service, w.name("i30"), weight(30)),
		w.binding("a", service, w.name("i60"), weight(60)),
	}
	w.fleet(b, bindings...)
	w.apply("a", bindings...)
	counts := w.draw(b, draws, func(int) *bus.Message { return request(service) })
	for _, x := range bindings {
		w.wantShare(fmt.Sprintf("weight %d of 100", x.Weight), counts[x.Instance], draws, float64(x.Weight)/100)
	}
}

func testWeightZero(w *world) {
	b := w.open("a")
	service := w.name("svc")
	zero, one := w.binding("a", service, w.name("zero"), weight(0)), w.binding("a", service, w.name("one"), weight(1))
	w.fleet(b, zero, one)
	w.apply("a", zero, one)
	counts := w.draw(b, 500, func(int) *bus.Message { return request(service) })
	if counts[one.Instance] != 500 {
		w.Fatalf("draws: %v; want all 500 for the instance of weight 1", counts)
	}
}

// cohorts returns, for every step-th cohort, the version that answers.
func (w *world) cohorts(b *bus.Bus, service string, versions map[string]string, step int) map[int]string {
	w.Helper()
	var mu sync.Mutex
	chosen := map[int]string{}
	many(32, bus.Cohorts/step, func(i int) {
		cohort := i * step
		got, err := w.call(b, request(service, bus.HeaderCohort, strconv.Itoa(cohort)))
		if err != nil {
			w.Errorf("cohort %d: %v", cohort, err)
		}
		mu.Lock()
		defer mu.Unlock()
		chosen[cohort] = versions[got]
	})
	return chosen
}

func testCohortKeepsVersion(w *world) {
	b, elsewhere := w.open("a"), w.open("a")
	service := w.name("svc")
	v1, v1b := w.binding("a", service, w.name("v1")), w.binding("a", service, w.name("v1b"))
	v2 := w.binding("a", service, w.name("v2"), version("2"))
	v3 := w.binding("a", service, w.name("v3"), version("3"))
	w.fleet(b, v1, v1b, v2, v3)
	versions := map[string]string{v1.Instance: "1", v1b.Instance: "1", v2.Instance: "2", v3.Instance: "3"}
	w.apply("a", v1, v2)
	before := w.cohorts(b, service, versions, 20)
	w.wantSame("another connection decides", before, w.cohorts(elsewhere, service, versions, 20))

	w.apply("a", v1, v2, v3)
	w.wantMovedTo("version 3 came", before, w.cohorts(b, service, versions, 20), "3")
	w.apply("a", v1, v2)
	w.wantSame("version 3 left again", before, w.cohorts(b, service, versions, 20))

	half := func(x *driver.Binding) { x.Weight = 50 }
	half(&v1)
	half(&v1b)
	w.apply("a", v1, v1b, v2)
	w.wantSame("a second instance shares version 1's weight", before, w.cohorts(b, service, versions, 20))
}

func (w *world) wantSame(when string, before, after map[int]string) {
	w.Helper()
	for cohort, v := range before {
		if after[cohort] != v {
			w.Fatalf("%s: cohort %d moved from version %s to %s", when, cohort, v, after[cohort])
		}
	}
}

func (w *world) wantMovedTo(when string, before, after map[int]string, target string) {
	w.Helper()
	moved := 0
	for cohort, v := range before {
		if after[cohort] == v {
			continue
		}
		moved++
		if after[cohort] != target {
			w.Fatalf("%s: cohort %d moved from version %s to %s; want it to stay or move to %s", when, cohort, v, after[cohort], target)
		}
	}
	w.wantShare(when+" and took its third", moved, len(before), 1.0/3)
}

// testCohortShares wants a version's share of the cohorts to be its share of the
// weight, however many instances it has.
func testCohortShares(w *world) {
	b := w.open("a")
	service := w.name("svc")
	old1, old2 := w.binding("a", service, w.name("old1"), weight(45)), w.binding("a", service, w.name("old2"), weight(45))
	fresh := w.binding("a", service, w.name("new"), version("2"), weight(10))
	w.fleet(b, old1, old2, fresh)
	w.apply("a", old1, old2, fresh)
	const cohorts = 2500
	counts := map[string]int{}
	for _, v := range w.cohorts(b, service, map[string]string{old1.Instance: "1", old2.Instance: "1", fresh.Instance: "2"}, bus.Cohorts/cohorts) {
		counts[v]++
	}
	w.wantShare("cohorts of the version with a tenth of the weight", counts["2"], cohorts, 0.1)
}

func testOverlay(w *world) {
	b := w.open("a")
	service := w.name("svc")
	base := w.binding("a", service, w.name("base"))
	alice := w.binding("a", service, w.name("alice"), match(bus.HeaderOverlay, "alice"), weight(1))
	w.fleet(b, base, alice)
	w.apply("a", base, alice)
	for range 20 {
		w.wantCall(b, request(service, bus.HeaderOverlay, "alice"), alice.Instance)
		w.wantCall(b, request(service, bus.HeaderOverlay, "bob"), base.Instance)
		w.wantCall(b, request(service), base.Instance)
	}
	w.apply("a", base)
	w.wantCall(b, request(service, bus.HeaderOverlay, "alice"), base.Instance)
}

func testSpecificBeforeNear(w *world) {
	b := w.open("a")
	service := w.name("svc")
	near := w.binding("a", service, w.name("near"))
	far := w.binding("b", service, w.name("far"), match(bus.HeaderOverlay, "alice"))
	w.fleet(b, near)
	w.fleet(w.open("b"), far)
	w.apply("b", far)
	w.apply("a", near)
	w.wantCall(b, request(service, bus.HeaderOverlay, "alice"), far.Instance)
	w.wantCall(b, request(service), near.Instance)
}

func testNearestZone(w *world) {
	inA, inB := w.open("a"), w.open("b")
	service := w.name("svc")
	a, b := w.binding("a", service, w.name("in-a"), weight(1)), w.binding("b", service, w.name("in-b"))
	w.fleet(inA, a)
	w.fleet(inB, b)
	w.apply("b", b)
	w.apply("a", a)
	for range 20 {
		w.wantCall(inA, request(service), a.Instance)
		w.wantCall(inB, request(service), b.Instance)
	}
	w.apply("a")
	w.wantCall(inA, request(service), b.Instance)
}

// testOtherZoneReplies calls a service of another zone from many goroutines: each has its own
// reply, also where that is an error of the handler.
func testOtherZoneReplies(w *world) {
	near, far := w.open("a"), w.open("b")
	service := w.name("svc")
	x := w.binding("b", service, w.name("svc-1"))
	w.serve(far, x.Instance, func(_ context.Context, m *bus.Message) *bus.Message {
		r := reply(m.Body)
		if len(m.Body)%2 == 0 {
			r.Header.Set(bus.HeaderType, bus.TypeError)
		}
		return r
	})
	w.apply("b", x)
	many(16, 400, func(i int) {
		m := request(service)
		m.Body = fmt.Append(nil, "request ", i)
		answer, err := near.Request(w.ctx, m)
		if err != nil || string(answer.Body) != string(m.Body) {
			w.Errorf("request %d to another zone: %v, %v; want %q", i, answer, err, m.Body)
			return
		}
		if isError := answer.Header.Get(bus.HeaderType) == bus.TypeError; isError != (len(m.Body)%2 == 0) {
			w.Errorf("request %d to another zone: header %v; want the type that the handler set", i, answer.Header)
		}
	})
}
