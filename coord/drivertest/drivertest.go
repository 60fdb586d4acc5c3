// Package drivertest is the conformance suite of coord drivers, and their
// benchmarks. A driver's tests call RunConformanceTests and RunBenchmarks with a
// harness around the real engine:
//
//	func TestConformance(t *testing.T) {
//		drivertest.RunConformanceTests(t, newHarness)
//	}
//
// The suite speaks to drivers through *coord.Coord, as everybody does.
package drivertest

import (
	"context"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/coord"
	"github.com/hansom-platform/hansom/coord/driver"
	"github.com/hansom-platform/hansom/fault"
)

// Harness runs one engine, fresh and empty, for one test.
type Harness interface {
	// Connect opens a connection that is independent of all others, as another process would.
	Connect(ctx context.Context) (Conn, error)

	// Restart stops the engine and starts it again with its data at the same
	// address. It returns when the engine answers.
	Restart(ctx context.Context) error

	// Capabilities says in what the driver differs from others.
	Capabilities() Capabilities

	// Close stops the engine and frees what the harness holds.
	Close()
}

// Conn is one connection.
type Conn struct {
	Driver driver.Coord

	// Abandon cuts the connection without a word to the engine, as kill -9
	// would. The driver is closed afterwards all the same.
	Abandon func()
}

// Capabilities declares the differences between drivers.
type Capabilities struct {
	// MinTTL is the shortest ttl of a session; tests use it where they wait for an expiry.
	MinTTL time.Duration
	// ExpirySlack is how much later than its ttl a dead session may end.
	ExpirySlack time.Duration
	// RestartTTL is a ttl that surely outlasts Restart: a session with it must survive one.
	// Zero if sessions never do.
	RestartTTL time.Duration
	// SharedEngine says that the engine runs in this process and outlives the
	// harness, so that its goroutines cannot be told from leaked ones.
	SharedEngine bool
}

// NewHarness starts an engine for one test or benchmark.
type NewHarness func(tb testing.TB) Harness

// patience is how long a test waits for what must come.
const patience = 15 * time.Second

// RunConformanceTests runs the suite, each test against an engine of its own.
func RunConformanceTests(t *testing.T, newHarness NewHarness) {
	t.Run("NoGoroutineLeaks", func(t *testing.T) { testNoGoroutineLeaks(t, newHarness) })
	tests := []struct {
		name string
		run  func(*env)
	}{
		{"PersistentNodes", testPersistentNodes},
		{"ListIsBelowPrefixOnly", testListIsBelowPrefixOnly},
		{"AwkwardSegmentsStayApart", testAwkwardSegmentsStayApart},
		{"BadArgumentsAreRefused", testBadArguments},
		{"LargestData", testLargestData},
		{"RevisionsGrowOverAllPaths", testRevisionsGrow},
		{"CompareAndSet", testCompareAndSet},
		{"CompareAndSetHasOneWinner", testCompareAndSetRace},
		{"CompareAndDelete", testCompareAndDelete},
		{"CreateHasOneWinner", testCreateRace},
		{"ReadsSeeWritesOfOtherConnections", testReadsSeeWrites},
		{"CallsEndWithTheirContext", testCallsEndWithContext},
		{"ClosedCoordRefuses", testClosedCoordRefuses},

		{"EphemeralNodes", testEphemeralNodes},
		{"SetTakesOver", testSetTakesOver},
		{"NodeIsNeverAbsentWhileTakenOver", testNeverAbsentWhileTakenOver},
		{"SessionCloseRemovesNodes", testSessionCloseRemovesNodes},
		{"CoordCloseRemovesNodes", testCoordCloseRemovesNodes},
		{"AbandonedSessionExpires", testAbandonedSessionExpires},
		{"LivingSessionOutlastsItsTTL", testLivingSessionOutlastsTTL},
		{"SessionIsDoneBeforeItsNodesGo", testDoneBeforeNodesGo},
		{"SessionSurvivesRestart", testSessionSurvivesRestart},

		{"WatchTellsSnapshotThenChanges", testWatchSnapshotThenChanges},
		{"WatchTellsItsPrefixOnly", testWatchPrefixOnly},
		{"WatchTellsOfEphemeralEnds", testWatchEphemeralEnds},
		{"WatchReconcilesAfterRestart", testWatchReconcilesAfterRestart},
		{"WatchMissesNoFinalState", testWatchMissesNoFinalState},
		{"SlowWatcherHoldsNobodyUp", testSlowWatcher},
		{"WatchClose", testWatchClose},

		{"LockExcludes", testLockExcludes},
		{"LockTokensAreRevisions", testLockFencing},
		{"TryLock", testTryLock},
		{"LockWithdraws", testLockWithdraws},
		{"LockPassesOnWhenHolderIsAbandoned", testLockPassesOn},
		{"LockIsLostWithItsNode", testLockLostWithNode},
		{"LockIsHeldThroughRestart", testLockThroughRestart},

		{"LeadershipHandsOver", testLeadershipHandsOver},
		{"LeadershipMovesOffAbandonedLeader", testLeadershipAbandoned},
		{"LeadershipIsOneAtATimeThroughRestart", testLeadershipThroughRestart},
		{"FailedTermIsFollowedByAnother", testFailedTerm},

		{"ConcurrentUse", testConcurrentUse},
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
	conns   []*coord.Coord // those that are not to be abandoned
}

func newEnv(tb testing.TB, newHarness NewHarness) *env {
	tb.Helper()
	h := newHarness(tb)
	tb.Cleanup(h.Close)
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	tb.Cleanup(cancel)
	return &env{TB: tb, ctx: ctx, harness: h, caps: h.Capabilities()}
}

// connect opens a connection that the test's end closes.
func (e *env) connect(opts ...coord.Option) *coord.Coord {
	e.Helper()
	c, _ := e.connectMortal(opts...)
	e.conns = append(e.conns, c)
	return c
}

// connectMortal also returns what kills the connection.
func (e *env) connectMortal(opts ...coord.Option) (c *coord.Coord, abandon func()) {
	e.Helper()
	conn, err := e.harness.Connect(e.ctx)
	if err != nil {
		e.Fatalf("Connect: %v", err)
	}
	c = coord.New(conn.Driver, opts...)
	e.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		c.Close(ctx)
	})
	return c, conn.Abandon
}

func (e *env) session(c *coord.Coord, ttl time.Duration) *coord.Session {
	e.Helper()
	s, err := c.NewSession(e.ctx, ttl)
	if err != nil {
		e.Fatalf("NewSession(%v): %v", ttl, err)
	}
	return s
}

// longTTL is a ttl that no test outlasts.
const longTTL = time.Minute

// restart restarts the engine and waits until every connection has noticed: a call
// on one that has not may fail with Unavailable.
func (e *env) restart() {
	e.Helper()
	if err := e.harness.Restart(e.ctx); err != nil {
		e.Fatalf("Restart: %v", err)
	}
	for _, c := range e.conns {
		e.await("a connection is back after a restart", patience, func() bool {
			_, err := c.Get(e.ctx, "/is-it-back")
			return fault.Is(err, fault.NotFound)
		})
	}
}

// await polls until cond returns true.
func (e *env) await(what string, within time.Duration, cond func() bool) {
	e.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline.C:
			e.Fatalf("waited %v in vain until %s", within, what)
		}
	}
}

// awaitClosed waits until a channel is closed.
func (e *env) awaitClosed(what string, within time.Duration, ch <-chan struct{}) {
	e.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	select {
	case <-ch:
	case <-deadline.C:
		e.Fatalf("waited %v in vain for %s", within, what)
	}
}

// expiry is how long nodes may outlive an owner that died with this ttl.
func (e *env) expiry(ttl time.Duration) time.Duration {
	return ttl + e.caps.ExpirySlack
}

func isOpen(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return false
	default:
		return true
	}
}
