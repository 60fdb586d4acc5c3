package drivertest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/bus/driver"
)

// RunBenchmarks measures a driver: requests of 256 B with 1 and 64 callers,
// events, and requests routed among many services.
func RunBenchmarks(b *testing.B, newHarness NewHarness) {
	h := newHarness(b)
	b.Cleanup(h.Close)
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("Request/callers=%d", callers), func(b *testing.B) { benchRequest(b, h, callers) })
	}
	b.Run("Publish", func(b *testing.B) { benchPublish(b, h, "") })
	b.Run("PublishToGroup", func(b *testing.B) { benchPublish(b, h, "group") })
	for _, services := range []int{10, 1_000, 10_000} {
		b.Run(fmt.Sprintf("Routed/services=%d", services), func(b *testing.B) { benchRouted(b, h, services) })
	}
}

func benchRequest(b *testing.B, h Harness, callers int) {
	w := newWorld(b, h)
	client, server := w.open("a"), w.open("a")
	w.serve(server, w.name("svc-1"), echo)
	share(b, callers, func(int) error {
		m := request("any")
		m.Body = make([]byte, 256)
		_, err := client.RequestTo(w.ctx, w.name("svc-1"), m)
		return err
	})
}

func benchPublish(b *testing.B, h Harness, group string) {
	w := newWorld(b, h)
	publisher, subscriber := w.open("a"), w.open("a")
	s := bus.Subscription{Topic: w.name("topic")}
	if group != "" {
		s.Group, s.Concurrency = w.name(group), 16
	}
	w.subscribe(subscriber, s, ignore)
	share(b, 16, func(int) error {
		return publisher.Publish(w.ctx, s.Topic, &bus.Message{Body: make([]byte, 256)})
	})
}

// benchRouted calls one service after the other, so that the cost of finding a
// service's bindings among many shows.
func benchRouted(b *testing.B, h Harness, services int) {
	w := newWorld(b, h)
	client := w.open("a")
	instance := w.name("svc-1")
	w.serve(w.open("a"), instance, echo)
	names := make([]string, services)
	bindings := make([]driver.Binding, services)
	for i := range names {
		names[i] = w.name(fmt.Sprint("svc", i))
		bindings[i] = w.binding("a", names[i], instance)
	}
	w.apply("a", bindings...)
	share(b, 64, func(i int) error {
		m := request(names[i%services])
		m.Body = make([]byte, 256)
		_, err := client.Request(w.ctx, m)
		return err
	})
}

// share splits b.N operations between callers.
func share(b *testing.B, callers int, operation func(i int) error) {
	var next atomic.Int64
	var group sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for range callers {
		group.Go(func() {
			for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
				if err := operation(int(i)); err != nil {
					b.Errorf("operation %d: %v", i, err)
					return
				}
			}
		})
	}
	group.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}
