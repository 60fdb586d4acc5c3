package memstore_test

import (
	"context"
	"testing"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store"
	"github.com/hansom-platform/hansom/store/driver"
	"github.com/hansom-platform/hansom/store/drivertest"
	"github.com/hansom-platform/hansom/store/memstore"
)

type harness struct{ engine *memstore.Engine }

func newHarness(testing.TB) drivertest.Harness { return harness{memstore.NewEngine()} }

func (h harness) Open(context.Context) (driver.Store, error) { return h.engine.Open(), nil }

func (h harness) Restart(context.Context) error {
	h.engine.Stop()
	h.engine.Start()
	return nil
}

func (h harness) Capabilities() drivertest.Capabilities {
	return drivertest.Capabilities{Reconnects: true}
}

func (h harness) Close() {}

func TestConformance(t *testing.T) { drivertest.RunConformanceTests(t, newHarness) }

func BenchmarkDriver(b *testing.B) { drivertest.RunBenchmarks(b, newHarness) }

func TestAStoppedEngineIsUnavailable(t *testing.T) {
	engine := memstore.NewEngine()
	s := store.New(engine.Open())
	engine.Stop()
	if err := s.Check(t.Context()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("Check while the engine is stopped: want Unavailable, got %v", err)
	}
	engine.Start()
	if err := s.Check(t.Context()); err != nil {
		t.Errorf("Check after Start: %v", err)
	}
}
