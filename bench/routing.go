package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/hansom-platform/hansom/bus/driver"
)

// A decision is the cost of one routing decision among so many services.
type decision struct {
	Services int     `json:"services"`
	Nanos    float64 `json:"ns"`
	Allocs   int64   `json:"allocations"`
}

// measureRouting finds a service's bindings in a table of so many services, as
// the NATS driver does for every request, and applies the routing rule: three
// instances of two versions each, and a message with a cohort.
func measureRouting(ctx context.Context, _ options) (any, error) {
	var decisions []decision
	for _, services := range []int{10, 1_000, 10_000} {
		table, headers := routingTable(services)
		zone := driver.Zone{Region: "local", Zone: "a"}
		result := testing.Benchmark(func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				h := headers[i%len(headers)]
				query := driver.Query{Header: h, From: zone, Rand: rand.Uint64N}
				if at, miss := driver.Route(table[h.Get(driver.HeaderService)], query); at < 0 {
					b.Fatalf("no route: %v", miss)
				}
			}
		})
		d := decision{services, float64(result.T.Nanoseconds()) / float64(result.N), result.AllocsPerOp()}
		decisions = append(decisions, d)
		fmt.Printf("  %6d services %8.0f ns %4d allocations\n", d.Services, d.Nanos, d.Allocs)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return decisions, nil
}

func routingTable(services int) (map[string][]driver.Binding, []driver.Header) {
	table := make(map[string][]driver.Binding, services)
	headers := make([]driver.Header, services)
	for i := range services {
		name := "core.s" + strconv.Itoa(i)
		for j := range 3 {
			table[name] = append(table[name], driver.Binding{
				Service: name, Instance: name + "-" + strconv.Itoa(j), Version: strconv.Itoa(j % 2),
				Region: "local", Zone: "a", Weight: 1000, Salt: "bench",
			})
		}
		headers[i] = driver.Header{{Key: driver.HeaderService, Value: name},
			{Key: driver.HeaderCohort, Value: strconv.Itoa(i % driver.Cohorts)}}
	}
	rand.Shuffle(services, func(i, j int) { headers[i], headers[j] = headers[j], headers[i] })
	return table, headers
}
