package sqlitestore_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hansom-platform/hansom/store/driver"
	"github.com/hansom-platform/hansom/store/drivertest"
	"github.com/hansom-platform/hansom/store/sqlitestore"
)

func TestMain(m *testing.M) {
	drivertest.CrashWriter(func(ctx context.Context, address string) (driver.Store, error) {
		return sqlitestore.Open(ctx, address)
	})
	if path := os.Getenv(visitVariable); path != "" {
		visit(path)
		return
	}
	os.Exit(m.Run())
}

func TestConformance(t *testing.T) { drivertest.RunConformanceTests(t, newHarness) }

func BenchmarkDriver(b *testing.B) { drivertest.RunBenchmarks(b, newHarness) }

// harness is one file. To restart the engine is to close all who have it open.
type harness struct {
	path string

	mu   sync.Mutex
	open []driver.Store
}

func newHarness(tb testing.TB) drivertest.Harness {
	return &harness{path: filepath.Join(tb.TempDir(), "store.db")}
}

func (h *harness) Open(ctx context.Context) (driver.Store, error) {
	d, err := sqlitestore.Open(ctx, h.path)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open = append(h.open, d)
	return d, nil
}

func (h *harness) Restart(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	cancel() // cut off the calls under way
	h.mu.Lock()
	defer h.mu.Unlock()
	var errs []error
	for _, d := range h.open {
		errs = append(errs, d.Close(ctx))
	}
	h.open = nil
	return errors.Join(errs...)
}

func (h *harness) Capabilities() drivertest.Capabilities {
	return drivertest.Capabilities{Address: h.path}
}

func (h *harness) Close() { _ = h.Restart(context.Background()) }

// TestSearchesReadOnlyWhatTheyReturn keeps a partition's size from slowing down what reads a piece of it.
func TestSearchesReadOnlyWhatTheyReturn(t *testing.T) {
	d, _ := open(t, temp(t))
	plans, err := sqlitestore.Plans(t.Context(), d)
	if err != nil || len(plans) == 0 {
		t.Fatalf("EXPLAIN QUERY PLAN: %v, %v", plans, err)
	}
	for query, plan := range plans {
		t.Logf("%s\n%s", query, plan)
		if strings.Contains(plan, "SCAN records") || strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("%s: want it found by key, in order; got the plan\n%s", query, plan)
		}
		if strings.Contains(query, "clustering >= ?") && !strings.Contains(plan, "clustering>? AND clustering<?") {
			t.Errorf("%s: want both bounds used; got the plan\n%s", query, plan)
		}
	}
}
