package memstore_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

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

func TestExpiryIsVirtualInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tb := store.New(memstore.New()).Table("things")
		key := store.Key{Partition: "p"}
		if _, err := tb.Put(t.Context(), key, nil, store.TTL(8*time.Hour)); err != nil {
			t.Fatalf("Put: %v", err)
		}
		time.Sleep(8*time.Hour - time.Nanosecond)
		if _, err := tb.Get(t.Context(), key); err != nil {
			t.Errorf("Get just before the expiry: %v", err)
		}
		time.Sleep(time.Nanosecond)
		if _, err := tb.Get(t.Context(), key); !fault.Is(err, fault.NotFound) {
			t.Errorf("Get at the expiry: want NotFound, got %v", err)
		}
	})
}

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
