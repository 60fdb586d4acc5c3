package rabbitbus

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

var (
	zoneB = driver.Zone{Region: zoneA.Region, Zone: "b"}
	zoneC = driver.Zone{Region: zoneA.Region, Zone: "c"}
)

// keep has a connection look after its zone as the binding service does, until the returned stop.
func (e *engine) keeper(z driver.Zone) (c *conn, stop func()) {
	e.tb.Helper()
	c = e.connect(z)
	return c, e.look(c)
}

// keeperBy is keeper by way of a configuration.
func (e *engine) keeperBy(config Config) (c *conn, stop func()) {
	e.tb.Helper()
	c = e.connectBy(config)
	return c, e.look(c)
}

// look has c look after its zone until the returned stop.
func (e *engine) look(c *conn) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- c.Answer(ctx) }()
	go func() { ended <- c.Join(ctx) }()
	stop = func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil && c.ctx.Err() == nil {
				e.tb.Errorf("the keeper of zone %s ended with %v; want nil", c.config.Zone, err)
			}
		}
		ended <- nil
		ended <- nil
	}
	e.tb.Cleanup(stop)
	return stop
}

func bindingOfInstance(z driver.Zone, service, instance string) driver.Binding {
	return driver.Binding{Service: service, Instance: instance, Version: "1", Region: z.Region, Zone: z.Zone, Weight: 100}
}

func apply(t testing.TB, c *conn, bindings ...driver.Binding) {
	t.Helper()
	if err := c.Apply(t.Context(), c.config.Zone, bindings); err != nil {
		t.Fatalf("apply %d bindings to %s: %v", len(bindings), c.config.Zone, err)
	}
}

func serveName(t testing.TB, c *conn, instance string) {
	t.Helper()
	_, err := c.Serve(t.Context(), instance, func(_ *driver.Message, r driver.Replier) {
		go func() { _ = r.Reply(&driver.Message{Body: []byte(instance)}) }()
	})
	if err != nil {
		t.Fatalf("serve %s: %v", instance, err)
	}
}

// called sends a request for service, or directly to instance, and returns the reply's body.
func called(c *conn, service, instance string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	m := &driver.Message{Header: driver.Header{{Key: driver.HeaderService, Value: service}, {Key: driver.HeaderBudget, Value: "2000"}}}
	reply, err := c.Request(ctx, instance, m)
	if err != nil {
		return "", err
	}
	return string(reply.Body), nil
}

// until polls done and returns how long it took; it fails the test after limit.
func until(t testing.TB, limit time.Duration, what string, done func() bool) time.Duration {
	t.Helper()
	begun := time.Now()
	for !done() {
		if time.Since(begun) > limit {
			t.Fatalf("not within %v: %s", limit, what)
		}
		pause(t.Context(), 5*time.Millisecond)
	}
	return time.Since(begun)
}

func wantAnswer(t testing.TB, c *conn, service, instance, want string) {
	t.Helper()
	if got, err := called(c, service, instance); err != nil || got != want {
		t.Fatalf("request from %s for service %q, instance %q: got %q, %v; want %q", c.config.Zone, service, instance, got, err, want)
	}
}

// wantReason asks and wants a refusal, and returns how long it took.
func wantReason(t testing.TB, c *conn, service, instance, reason string) time.Duration {
	t.Helper()
	begun := time.Now()
	got, err := called(c, service, instance)
	if fault.ReasonOf(err) != reason {
		t.Fatalf("request from %s for service %q, instance %q: got %q, %v; want reason %s", c.config.Zone, service, instance, got, err, reason)
	}
	return time.Since(begun)
}

// teardown is how long a dead zone may stay bound: 3 s, and one for a busy machine.
const teardown = 4 * time.Second

func TestZonesAreJoined(t *testing.T) {
	if testing.Short() {
		return
	}
	e := startEngine(t, topology{"two zones", []string{"a", "b"}, 1})
	keeperA, _ := e.keeper(zoneA)
	keeperB, stopB := e.keeper(zoneB)
	a, b := e.connect(zoneA), e.connect(zoneB)
	serveName(t, b, "far-1")
	serveName(t, a, "near-1")
	apply(t, keeperB, bindingOfInstance(zoneB, "far", "far-1"))
	apply(t, keeperA, bindingOfInstance(zoneA, "near", "near-1"))
	reaches := func() bool { _, err := called(a, "far", ""); return err == nil }

	t.Logf("the zones were joined after %v", until(t, 30*time.Second, "a call crosses from a to b", reaches))
	until(t, 30*time.Second, "a call crosses from b to a", func() bool { _, err := called(b, "near", ""); return err == nil })
	wantAnswer(t, a, "far", "far-1", "far-1")
	wantAnswer(t, b, "near", "near-1", "near-1")

	t.Run("a change is seen at once", func(t *testing.T) {
		apply(t, keeperB, bindingOfInstance(zoneB, "far", "far-1"), bindingOfInstance(zoneB, "fresh", "far-1"))
		took := until(t, time.Second, "the new service is called", func() bool { _, err := called(a, "fresh", ""); return err == nil })
		t.Logf("a new service of the other zone could be called after %v", took)
		apply(t, keeperB, bindingOfInstance(zoneB, "far", "far-1"))
		t.Logf("refused in %v when the other zone had just lost it", wantReason(t, a, "fresh", "", "bus.no_route.no_instance"))
	})
	t.Run("refusals", func(t *testing.T) {
		for range 5 {
			t.Logf("unknown service refused in %v", wantReason(t, a, "nowhere", "", "bus.no_route.unknown_service"))
			t.Logf("unknown instance refused in %v", wantReason(t, a, "nowhere", "none-1", "bus.no_route.no_such_instance"))
		}
		apply(t, keeperB, bindingOfInstance(zoneB, "far", "far-1"), bindingOfInstance(zoneB, "ghost", "ghost-1"))
		until(t, time.Second, "the link refuses", func() bool {
			_, err := called(a, "ghost", "")
			return fault.ReasonOf(err) == "bus.no_route.gone"
		})
		t.Logf("refused on the far side in %v", wantReason(t, a, "ghost", "", "bus.no_route.gone"))
		wantReason(t, a, "ghost", "ghost-1", "bus.no_route.no_such_instance")
	})
	t.Run("set up twice", func(t *testing.T) {
		report, err := Setup(t.Context(), e.config(zoneA))
		if err != nil || len(report.Changes) > 0 {
			t.Fatalf("second setup: changed %v, error %v; want nothing changed", report.Changes, err)
		}
	})
	t.Run("stopped broker", func(t *testing.T) {
		nodeB := e.broker("b").Nodes()[0]
		if err := nodeB.Stop(); err != nil {
			t.Fatal(err)
		}
		took := until(t, 10*time.Second, "the zone's bindings are gone", func() bool { return !boundRemote(keeperA, "b") })
		t.Logf("the bindings of a stopped zone were gone after %v", took)
		wantReason(t, a, "far", "", "bus.no_route.no_instance")
		if err := nodeB.Continue(); err != nil {
			t.Fatal(err)
		}
		t.Logf("they came back %v after it went on", until(t, 30*time.Second, "a call crosses again", reaches))
		if took > teardown {
			t.Errorf("the bindings of a stopped zone were gone after %v; want %v at most", took, teardown)
		}
	})
	t.Run("killed broker", func(t *testing.T) {
		nodeB := e.broker("b").Nodes()[0]
		if err := nodeB.Kill(); err != nil {
			t.Fatal(err)
		}
		took := until(t, 10*time.Second, "the zone's bindings are gone", func() bool { return !boundRemote(keeperA, "b") })
		t.Logf("the bindings of a killed zone were gone after %v", took)
		if took > teardown {
			t.Errorf("the bindings of a killed zone were gone after %v; want %v at most", took, teardown)
		}
		if err := nodeB.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Logf("they came back %v after the broker answered", until(t, 30*time.Second, "a call crosses again", reaches))
	})
	t.Run("a zone without a joiner lives", func(t *testing.T) {
		stopB()
		other, _ := e.connect(zoneB), 0
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = other.Answer(ctx) }()
		begun := time.Now()
		for time.Since(begun) < 3*deadAfter/2 {
			if _, err := called(a, "far", ""); err != nil && time.Since(begun) > time.Second {
				t.Fatalf("a call crossed no more %v after the joiner had ended: %v", time.Since(begun), err)
			}
			pause(t.Context(), 50*time.Millisecond)
		}
	})
	t.Run("a zone that is listed no more", func(t *testing.T) {
		config := e.config(zoneA)
		config.Zones = nil
		report, err := Setup(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		t.Log(report)
		if report, err = Setup(t.Context(), config); err != nil || len(report.Changes) > 0 {
			t.Fatalf("second setup: changed %v, error %v; want nothing changed", report.Changes, err)
		}
	})
}

func boundRemote(c *conn, zone string) bool {
	records, err := c.listBound(context.Background())
	if err != nil {
		return true
	}
	for k, r := range records {
		if k.Remote && k.Zone.Zone == zone && len(r.Bindings) > 0 {
			return true
		}
	}
	return false
}

// TestManyBindings applies those of ten thousand services.
func TestManyBindings(t *testing.T) {
	if testing.Short() {
		return
	}
	e := startEngine(t, topologies[0])
	c := e.connect(zoneA)
	var all []driver.Binding
	for i := range 10_000 {
		all = append(all, bindingOfInstance(zoneA, fmt.Sprintf("svc-%d", i), fmt.Sprintf("svc-%d-1", i)))
	}
	begun := time.Now()
	apply(t, c, all...)
	t.Logf("10,000 services bound in %v", time.Since(begun))
	begun = time.Now()
	apply(t, c, append(all, bindingOfInstance(zoneA, "one", "more"))...)
	t.Logf("one more in %v", time.Since(begun))
	begun = time.Now()
	got, err := c.Bindings(t.Context(), zoneA)
	if err != nil || len(got) != len(all)+1 {
		t.Fatalf("%d bindings are listed, %v; want %d", len(got), err, len(all)+1)
	}
	t.Logf("listed in %v", time.Since(begun))
	begun = time.Now()
	apply(t, c)
	t.Logf("all taken away in %v", time.Since(begun))
}
