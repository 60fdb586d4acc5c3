package membus

import (
	"context"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/bus/drivertest"
)

// harness enters the conformance suite. Memory has nothing to lose when the
// engine restarts but the requests under way.
type harness struct{ engine *Engine }

func newHarness(testing.TB) drivertest.Harness { return harness{New()} }

func (h harness) Open(_ context.Context, z driver.Zone) (driver.Bus, error) {
	return h.engine.Open(z), nil
}

func (h harness) Restart(context.Context) error {
	h.engine.Stop()
	h.engine.Start()
	return nil
}

func (h harness) Abandon(b driver.Bus) { h.engine.Sever(b) }

func (h harness) Capabilities() drivertest.Capabilities {
	return drivertest.Capabilities{Settle: 5 * time.Second}
}

func (h harness) Close() {}

func TestConformance(t *testing.T) { drivertest.RunConformanceTests(t, newHarness) }
