// Package drivertest holds every bus driver to the same behaviour: the delivery
// contract of package bus, tested against the driver's real engine. A driver's
// test enters it with a harness and calls RunConformanceTests, and its benchmark
// RunBenchmarks. Only tests of drivers import it.
package drivertest

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hansom-platform/hansom/bus/driver"
)

// A Harness runs one engine for one test or several.
type Harness interface {
	// Open makes a new connection that shares nothing with others and routes from z.
	Open(ctx context.Context, z driver.Zone) (driver.Bus, error)
	// Restart stops the whole engine and starts it again on the same addresses and data.
	// It returns when the engine takes connections.
	Restart(ctx context.Context) error
	// Abandon cuts b off without a word, as kill -9 of its process would. The bus
	// stays cut off, and is still closed by the suite.
	Abandon(b driver.Bus)
	// Capabilities returns what differs between drivers.
	Capabilities() Capabilities
	// Close stops the engine.
	Close()
}

// Capabilities are the differences that the contract allows between drivers.
// Zero values mean the defaults in brackets.
type Capabilities struct {
	// Settle bounds the time until every client routes by applied bindings, an
	// abandoned queue is gone, and a restarted engine serves again (10 s).
	Settle time.Duration
	// AtOnce bounds how late something may come that the contract wants at once, as the end of a budget (250 ms).
	AtOnce time.Duration
	// Flood is the number of events of 64 KiB that surely overflow a slow
	// ephemeral subscription (1,000).
	Flood int
	// Redundant: with one part of the engine broken, calls go on, within Settle.
	Redundant bool
}

// A NewHarness starts an engine of its own for tb.
type NewHarness func(tb testing.TB) Harness

// RunConformanceTests tests a driver on one engine: each test has names of its own
// there, and those that break the engine mend it. The harness is broken in part too where
// it is a Breaker. It ends with a search for goroutines
// that outlived their connections.
func RunConformanceTests(t *testing.T, newHarness NewHarness) {
	before := goleak.IgnoreCurrent()
	t.Run("suite", func(t *testing.T) {
		h := newHarness(t)
		t.Cleanup(h.Close)
		for _, c := range conformance {
			t.Run(c.name, func(t *testing.T) { c.test(newWorld(t, h)) })
		}
		if b, ok := h.(Breaker); ok {
			runDrills(t, b)
		}
	})
	if err := leaks(before); err != nil {
		t.Errorf("goroutines outlived the harness: %v", err)
	}
}

// leaks waits some seconds for goroutines that are on their way out.
func leaks(before goleak.Option) (err error) {
	for range 10 {
		if err = goleak.Find(before); err == nil {
			return nil
		}
	}
	return err
}

type testCase struct {
	name string
	test func(*world)
}

var conformance = []testCase{
	{"Request/Reply", testReply},
	{"Request/ErrorReply", testErrorReply},
	{"Request/Direct", testDirect},
	{"Request/DirectAbsent", testDirectAbsent},
	{"Request/ExactlyOneReceiver", testExactlyOne},
	{"Request/Concurrent", testConcurrent},
	{"Request/Cancelled", testCancelled},
	{"Body/Sizes", testBodySizes},
	{"Body/Oversize", testOversize},
	{"Body/OversizeReply", testOversizeReply},
	{"Header/Fidelity", testHeaderFidelity},
	{"Header/Oversize", testHeaderOversize},
	{"Budget/CallerTimesOut", testCallerTimesOut},
	{"Budget/HandlerSeesIt", testHandlerSeesBudget},
	{"Budget/SpentIsNeverHandled", testSpentBudget},
	{"Route/Weights", testWeights},
	{"Route/WeightZero", testWeightZero},
	{"Route/CohortKeepsVersion", testCohortKeepsVersion},
	{"Route/CohortShares", testCohortShares},
	{"Route/Overlay", testOverlay},
	{"Route/SpecificBeforeNear", testSpecificBeforeNear},
	{"Route/NearestZone", testNearestZone},
	{"Route/OtherZoneReplies", testOtherZoneReplies},
	{"NoRoute/Unknown", testUnknownService},
	{"NoRoute/LastInstanceLeft", testLastInstanceLeft},
	{"NoRoute/NoMatch", testNoMatch},
	{"NoRoute/NoWeight", testNoWeight},
	{"NoRoute/TooFar", testTooFar},
	{"NoRoute/AllGone", testAllGone},
	{"NoRoute/NextCandidate", testNextCandidate},
	{"NoRoute/LostByOtherZone", testLostByOtherZone},
	{"Bindings/ApplyReplaces", testApplyReplaces},
	{"Bindings/ApplyChecks", testApplyChecks},
	{"Bindings/KnownAtOpen", testKnownAtOpen},
	{"Bindings/NewBeforeOld", testNewBeforeOld},
	{"Serve/SlowHandler", testSlowHandler},
	{"Serve/DrainLosesNothing", testDrain},
	{"Serve/CloseCancels", testCloseCancels},
	{"Serve/KilledMidCall", testKilledMidCall},
	{"Close/RequestsUnderWay", testCloseUnderWay},
	{"Close/NoGoroutineLeft", testNoGoroutineLeft},
	{"Events/EveryInstanceInOrder", testEveryInstance},
	{"Events/Wildcards", testWildcards},
	{"Events/BadTopics", testBadTopics},
	{"Events/SlowSubscriber", testSlowSubscriber},
	{"Events/Closed", testClosedSubscription},
	{"Group/OneMember", testOneMember},
	{"Group/EachGroup", testEachGroup},
	{"Group/WhileNobodyRuns", testWhileNobodyRuns},
	{"Group/Redelivery", testRedelivery},
	{"Group/AckWait", testAckWait},
	{"Group/Concurrency", testGroupConcurrency},
	{"Group/DeadLetter", testDeadLetter},
	{"Group/DeadLetterOfCrashes", testDeadLetterOfCrashes},
	{"Group/DeadLetterReplay", testDeadLetterReplay},
	{"Group/DeadLetterDrop", testDeadLetterDrop},
	{"Group/MemberKilled", testMemberKilled},
	{"Group/Drain", testGroupDrain},
	{"Restart/UnderLoad", testRestartUnderLoad},
	{"Restart/MidCall", testRestartMidCall},
	{"Restart/KeepsBindings", testRestartKeepsBindings},
	{"Restart/KeepsGroups", testRestartKeepsGroups},
}
