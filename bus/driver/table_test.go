package driver

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/fault"
)

var (
	noTime time.Time
	zoneA  = Zone{"eu", "a"}
	zoneB  = Zone{"eu", "b"}
)

func instanceIn(z Zone, id string) Binding {
	return Binding{Service: "svc", Instance: id, Version: "1", Region: z.Region, Zone: z.Zone, Weight: 100}
}

func route(t *Table, from Zone) (string, error) {
	b, err := t.Route(Query{Header: Header{{HeaderService, "svc"}}, From: from, Rand: rand.Uint64N})
	return b.Instance, err
}

func wantRoute(t *testing.T, table *Table, from Zone, instance string) {
	t.Helper()
	if got, err := route(table, from); err != nil || got != instance {
		t.Fatalf("from %s: got %q, %v; want %q", from, got, err, instance)
	}
}

func wantMiss(t *testing.T, table *Table, from Zone, reason string) {
	t.Helper()
	if got, err := route(table, from); fault.ReasonOf(err) != reason {
		t.Fatalf("from %s: got %q, %v; want reason %s", from, got, err, reason)
	}
}

func TestTable(t *testing.T) {
	var table Table
	wantMiss(t, &table, zoneA, "bus.no_route.unknown_service")
	table.Set("svc", zoneA, []Binding{instanceIn(zoneA, "a1")}, noTime)
	wantRoute(t, &table, zoneB, "a1")
	table.Set("svc", zoneB, []Binding{instanceIn(zoneB, "b1")}, noTime)
	wantRoute(t, &table, zoneA, "a1")
	wantRoute(t, &table, zoneB, "b1")
	table.Set("svc", zoneA, nil, time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC))
	wantRoute(t, &table, zoneA, "b1")
	table.Set("svc", zoneB, nil, time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC))
	wantMiss(t, &table, zoneA, "bus.no_route.no_instance")
	if _, err := route(&table, zoneA); fault.From(err).Message != "no instance of svc is running: the last one left at 2026-11-23T10:00:00Z" {
		t.Errorf("the miss says %q; want the later of the two times", fault.From(err).Message)
	}
	table.Forget("svc", zoneA)
	wantMiss(t, &table, zoneA, "bus.no_route.no_instance")
	table.Forget("svc", zoneB)
	wantMiss(t, &table, zoneA, "bus.no_route.unknown_service")
	table.Forget("svc", zoneB)
}

// TestTableIsReplacedWhole changes a service between two sets under readers, who
// must always find one of them.
func TestTableIsReplacedWhole(t *testing.T) {
	var table Table
	sets := [][]Binding{{instanceIn(zoneA, "1")}, {instanceIn(zoneA, "2"), instanceIn(zoneA, "3")}}
	table.Set("svc", zoneA, sets[0], noTime)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := route(&table, zoneA); err != nil {
					t.Errorf("a reader found no route: %v", err)
					return
				}
			}
		})
	}
	for i := range 1000 {
		table.Set("svc", zoneA, sets[i%2], noTime)
	}
	close(stop)
	readers.Wait()
}

func BenchmarkTable(b *testing.B) {
	for _, services := range []int{10, 1_000, 10_000} {
		b.Run(fmt.Sprintf("services=%d", services), func(b *testing.B) {
			var table Table
			headers := make([]Header, services)
			for i := range headers {
				service := fmt.Sprint("svc", i)
				headers[i] = Header{{HeaderService, service}}
				bindings := []Binding{instanceIn(zoneA, "1"), instanceIn(zoneA, "2"), instanceIn(zoneB, "3")}
				table.Set(service, zoneA, bindings, noTime)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i++
				if _, err := table.Route(Query{Header: headers[i%services], From: zoneA, Rand: rand.Uint64N}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
