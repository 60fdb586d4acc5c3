package rabbitbus

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/bus/drivertest"
)

// TestConformance holds the driver to the suite of all drivers, on every topology.
func TestConformance(t *testing.T) {
	if testing.Short() {
		return
	}
	for _, topology := range topologies {
		t.Run(topology.name, func(t *testing.T) {
			drivertest.RunConformanceTests(t, func(tb testing.TB) drivertest.Harness { return newHarness(tb, topology) })
		})
	}
}

// harness enters brokers into the suite, each zone with a keeper, as the binding service is one.
type harness struct {
	*engine
	stop func()

	mu     sync.Mutex
	cables map[driver.Bus]*cable
}

func newHarness(tb testing.TB, t topology) *harness {
	tb.Helper()
	h := &harness{engine: startEngine(tb, t), cables: map[driver.Bus]*cable{}}
	ctx, cancel := context.WithCancel(context.Background())
	var keeping sync.WaitGroup
	var keepers []driver.Bus
	h.stop = func() {
		cancel()
		keeping.Wait()
		for _, k := range keepers {
			_ = k.Close(context.Background())
		}
	}
	for _, z := range h.zones {
		k, err := h.Open(tb.Context(), driver.Zone{Region: "keepers", Zone: z})
		if err != nil {
			tb.Fatal(err)
		}
		keepers = append(keepers, k)
		for _, keep := range []func(context.Context) error{k.(driver.Keeper).Answer, k.(driver.Keeper).Join} {
			keeping.Go(func() {
				for ctx.Err() == nil {
					if err := keep(ctx); err != nil && ctx.Err() == nil {
						pause(ctx, 100*time.Millisecond)
					}
				}
			})
		}
	}
	return h
}

// Open connects to any node of the zone that lives.
func (h *harness) Open(ctx context.Context, z driver.Zone) (driver.Bus, error) {
	config := h.config(z)
	line := &cable{nodes: h.broker(z.Zone).Nodes()}
	config.Dialer = line.dial
	b, err := Open(ctx, config)
	if err == nil {
		h.mu.Lock()
		h.cables[b] = line
		h.mu.Unlock()
	}
	return b, err
}

// Abandon cuts b's socket without a word, as the death of its process would.
func (h *harness) Abandon(b driver.Bus) {
	h.mu.Lock()
	line := h.cables[b]
	h.mu.Unlock()
	line.cut()
}

// Capabilities: a restarted broker takes some 6 s to boot.
func (h *harness) Capabilities() drivertest.Capabilities {
	return drivertest.Capabilities{Settle: 30 * time.Second, Redundant: h.Nodes() > 1 || len(h.zones) > 1}
}

func (h *harness) Close() {
	h.stop()
	h.engine.stop()
}
