// Package drivertest is the conformance suite of store drivers, and their
// benchmarks. A driver's tests call RunConformanceTests and RunBenchmarks with a
// harness around the real engine, and give CrashWriter the first word in
// TestMain if the engine's data outlives processes:
//
//	func TestMain(m *testing.M) {
//		drivertest.CrashWriter(sqlitestoreOpen)
//		os.Exit(m.Run())
//	}
//
//	func TestConformance(t *testing.T) {
//		drivertest.RunConformanceTests(t, newHarness)
//	}
//
// The suite speaks to drivers through *store.Store, as everybody does.
package drivertest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store"
	"github.com/hansom-platform/hansom/store/driver"
)

// Harness runs one engine, fresh and empty, for one test.
type Harness interface {
	// Open opens a connection that is independent of all others, as another process would.
	Open(ctx context.Context) (driver.Store, error)

	// Restart stops the engine and starts it again with its data. It returns when the engine
	// answers. Calls under way may fail with Unavailable.
	Restart(ctx context.Context) error

	// Capabilities says in what the driver differs from others.
	Capabilities() Capabilities

	// Close stops the engine and frees what the harness holds.
	Close()
}

// Capabilities declares the differences between drivers.
type Capabilities struct {
	// ExpirySlack is how much later than its ttl a record may be found.
	ExpirySlack time.Duration
	// Reconnects says that connections outlive Restart. Otherwise it closes them, and
	// tests open others.
	Reconnects bool
	// Address is what another process opens the engine by, which it hands to CrashWriter. Empty if
	// the engine lives in this process.
	Address string
	// SharedEngine says that the engine runs in this process and outlives the
	// harness, so that its goroutines cannot be told from leaked ones.
	SharedEngine bool
}

// NewHarness starts an engine for one test or benchmark.
type NewHarness func(tb testing.TB) Harness

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// RunConformanceTests runs the suite, each test against an engine of its own.
func RunConformanceTests(t *testing.T, newHarness NewHarness) {
	t.Run("NoGoroutineLeaks", func(t *testing.T) { testNoGoroutineLeaks(t, newHarness) })
	tests := []struct {
		name string
		run  func(*env)
	}{
		{"PutGetDelete", testPutGetDelete},
		{"ValuesAreAnyBytes", testValues},
		{"KeysAreAnyText", testKeys},
		{"TablesAndPartitionsAreApart", testApart},
		{"BadArgumentsAreRefused", testBadArguments},
		{"SlicesAreNotShared", testSlicesAreNotShared},

		{"Create", testCreate},
		{"CompareAndSet", testCompareAndSet},
		{"CompareAndDelete", testCompareAndDelete},
		{"CreateHasOneWinner", testCreateRace},
		{"ConcurrentCountersLoseNothing", testCounters},

		{"RevisionsGrow", testRevisionsGrow},
		{"RevisionsOutliveTheRecord", testRevisionsOutliveRecords},
		{"RevisionsOutliveRestarts", testRevisionsOutliveRestarts},

		{"RangeIsInByteOrder", testRangeOrder},
		{"RangeBounds", testRangeBounds},
		{"RangePages", testRangePages},
		{"RangeContinuesAmidWrites", testRangeAmidWrites},
		{"RangeContinuesAfterRestart", testRangeAfterRestart},
		{"RangeOfLargeValues", testRangeLargeValues},
		{"ContinuationsAreOfTheirRange", testForeignContinuations},
		{"AllStopsWhenAsked", testAllStops},

		{"Expiry", testExpiry},
		{"ExpiredIsAbsentForConditions", testExpiredConditions},
		{"PutWithoutTTLStays", testPutWithoutTTLStays},
		{"ExpiryThroughRestart", testExpiryThroughRestart},

		{"Batch", testBatch},
		{"BatchIsAllOrNothing", testBatchAllOrNothing},
		{"BatchJudgesTheStateBefore", testBatchJudgesStateBefore},
		{"LargestBatch", testLargestBatch},
		{"NobodySeesHalfABatch", testBatchIsolation},

		{"ReadsSeeWritesOfOtherConnections", testReadsSeeWrites},
		{"CallsEndWithTheirContext", testCallsEndWithContext},
		{"WritesCutOffAreWholeOrAbsent", testWritesCutOff},
		{"ClosedStoreRefuses", testClosed},
		{"CloseLetsCallsFinish", testCloseLetsCallsFinish},
		{"WritesOutliveRestarts", testWritesOutliveRestarts},

		{"Model", testModel},
		{"Linearizable", testLinearizable},
		{"LinearizableThroughRestarts", testLinearizableThroughRestarts},
		{"AcknowledgedWritesOutliveKills", testKills},
	}
	t.Run("Parallel", func(t *testing.T) {
		for _, tc := range tests {
			t.Run(tc.name, func(t *testing.T) {
				t.Parallel()
				tc.run(newEnv(t, newHarness))
			})
		}
	})
}

// env is what a test works with.
type env struct {
	testing.TB
	ctx     context.Context
	harness Harness
	caps    Capabilities

	mu    sync.Mutex
	links []*link
}

func newEnv(tb testing.TB, newHarness NewHarness) *env {
	tb.Helper()
	h := newHarness(tb)
	tb.Cleanup(h.Close)
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	tb.Cleanup(cancel)
	return &env{TB: tb, ctx: ctx, harness: h, caps: h.Capabilities()}
}

// open opens a connection that the test's end closes.
func (e *env) open() *store.Store {
	e.Helper()
	d, err := e.harness.Open(e.ctx)
	if err != nil {
		e.Fatalf("Open: %v", err)
	}
	s := store.New(d)
	e.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			e.Errorf("Close: %v", err)
		}
	})
	return s
}

// table opens a connection and returns a table of it.
func (e *env) table() table {
	e.Helper()
	return table{e, e.open().Table("things")}
}

// link is a connection that is opened anew when the engine was restarted and did away with it.
type link struct {
	env     *env
	current atomic.Pointer[store.Store]
}

func (e *env) link() *link {
	e.Helper()
	l := &link{env: e}
	l.current.Store(e.open())
	e.mu.Lock()
	defer e.mu.Unlock()
	e.links = append(e.links, l)
	return l
}

func (l *link) table() table { return table{l.env, l.current.Load().Table("things")} }

// restart restarts the engine, and gives links that need one another connection.
func (e *env) restart() {
	e.Helper()
	if err := e.harness.Restart(e.ctx); err != nil {
		e.Fatalf("Restart: %v", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, l := range e.links {
		if !e.caps.Reconnects {
			l.current.Store(e.open())
		}
		e.await("a connection is back after a restart", func() bool {
			return l.current.Load().Check(e.ctx) == nil
		})
	}
}

// await polls until cond returns true.
func (e *env) await(what string, cond func() bool) {
	e.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline.C:
			e.Fatalf("waited %v in vain until %s", patience, what)
		}
	}
}

// table adds to a table what fails the test.
type table struct {
	*env
	*store.Table
}

func (t table) put(key store.Key, value string, opts ...store.WriteOption) store.Record {
	t.Helper()
	r, err := t.Put(t.ctx, key, []byte(value), opts...)
	if err != nil {
		t.Fatalf("Put(%v): %v", key, err)
	}
	return r
}

func (t table) get(key store.Key) store.Record {
	t.Helper()
	r, err := t.Get(t.ctx, key)
	if err != nil {
		t.Fatalf("Get(%v): %v", key, err)
	}
	return r
}

func (t table) delete(key store.Key) {
	t.Helper()
	if err := t.Delete(t.ctx, key); err != nil {
		t.Fatalf("Delete(%v): %v", key, err)
	}
}

// page reads one page.
func (t table) page(partition string, r store.Range) store.Page {
	t.Helper()
	p, err := t.Range(t.ctx, partition, r)
	if err != nil {
		t.Fatalf("Range(%q, %+v): %v", partition, r, err)
	}
	return p
}

// all reads a whole range and returns its clustering keys.
func (t table) all(partition string, r store.Range) []string {
	t.Helper()
	var keys []string
	for rec, err := range t.All(t.ctx, partition, r) {
		if err != nil {
			t.Fatalf("All(%q, %+v): %v", partition, r, err)
		}
		keys = append(keys, rec.Key.Clustering)
	}
	return keys
}

// wantFound fails the test unless the key holds the value.
func (t table) wantFound(key store.Key, value string) {
	t.Helper()
	if got := t.get(key); string(got.Value) != value || got.Key != key {
		t.Fatalf("Get(%v): want value %q, got %q at %v", key, value, got.Value, got.Key)
	}
}

// wantAbsent fails the test unless there is no record at key.
func (t table) wantAbsent(key store.Key) {
	t.Helper()
	r, err := t.Get(t.ctx, key)
	if err == nil {
		t.Fatalf("Get(%v): want none, got %q at revision %d", key, r.Value, r.Revision)
	}
	t.wantFault(fmt.Sprintf("Get(%v)", key), err, fault.NotFound, store.ReasonNotFound)
}

// wantFault fails the test unless err has the code and the reason.
func (e *env) wantFault(what string, err error, code fault.Code, reason string) {
	e.Helper()
	if err == nil {
		e.Fatalf("%s: want %v %s, got no error", what, code, reason)
	}
	if fault.CodeOf(err) != code || fault.ReasonOf(err) != reason {
		e.Fatalf("%s: want %v %s, got %v", what, code, reason, err)
	}
}

// k makes a key of the partition that most tests use.
func k(clustering string) store.Key { return at("p", clustering) }

func at(partition, clustering string) store.Key {
	return store.Key{Partition: partition, Clustering: clustering}
}
