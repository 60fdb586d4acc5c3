package drivertest

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hansom-platform/hansom/coord"
	"github.com/hansom-platform/hansom/fault"
)

// candidate campaigns in the background and tells of its terms.
type candidate struct {
	terms  chan uint64 // tokens of terms begun
	ended  chan uint64 // tokens of terms ended
	resign context.CancelFunc
	gone   chan error // what Lead returned
}

func (e *env) campaign(c *coord.Coord, name, id string) *candidate {
	ctx, cancel := context.WithCancel(e.ctx)
	cand := &candidate{
		terms:  make(chan uint64, 64),
		ended:  make(chan uint64, 64),
		resign: cancel,
		gone:   make(chan error, 1),
	}
	go func() {
		cand.gone <- c.Lead(ctx, name, id, func(ctx context.Context, token uint64) error {
			cand.terms <- token
			<-ctx.Done()
			cand.ended <- token
			return nil
		})
	}()
	e.Cleanup(cancel)
	return cand
}

func (e *env) awaitTerm(who string, within time.Duration, ch <-chan uint64) uint64 {
	e.Helper()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case token := <-ch:
		return token
	case <-timer.C:
		e.Fatalf("%s did not come within %v", who, within)
		return 0
	}
}

func (e *env) wantLeader(c *coord.Coord, name, id string, token uint64) {
	e.Helper()
	gotID, gotToken, err := c.Leader(e.ctx, name)
	if err != nil || gotID != id || gotToken != token {
		e.Errorf("Leader(%s) = %q, %d, %v; want %q, %d", name, gotID, gotToken, err, id, token)
	}
}

// quiet keeps expected failures out of the test's output.
var quiet = coord.Logger(slog.New(slog.DiscardHandler))

func testLeadershipHandsOver(e *env) {
	a, b := e.connect(quiet), e.connect(quiet)
	_, _, err := a.Leader(e.ctx, "zone-a")
	e.wantCode("Leader where nobody leads", err, fault.NotFound)
	first := e.campaign(a, "zone-a", "one")
	token := e.awaitTerm("the first leader", patience, first.terms)
	e.wantLeader(b, "zone-a", "one", token)
	second := e.campaign(b, "zone-a", "two")
	other := e.campaign(b, "zone-b", "elsewhere")
	e.awaitTerm("the other zone's leader", patience, other.terms)
	first.resign()
	if err := <-first.gone; err != nil {
		e.Errorf("Lead returned %v after its context ended, want nil", err)
	}
	next := e.awaitTerm("the second leader", patience, second.terms)
	if next <= token {
		e.Errorf("token %d after token %d, want it greater", next, token)
	}
	e.wantLeader(a, "zone-a", "two", next)
}

func testLeadershipAbandoned(e *env) {
	a, abandon := e.connectMortal(coord.LeadershipTTL(e.caps.MinTTL), quiet)
	b := e.connect(coord.LeadershipTTL(e.caps.MinTTL), quiet)
	first := e.campaign(a, "z", "one")
	token := e.awaitTerm("the first leader", patience, first.terms)
	second := e.campaign(b, "z", "two")
	e.await("the second candidate queues up", patience, func() bool { return len(e.list(b, "/_leaders/z")) == 2 })
	abandon()
	next := e.awaitTerm("the second leader", e.expiry(e.caps.MinTTL), second.terms)
	select {
	case <-first.ended:
	default:
		e.Error("the second leader's term began before the abandoned leader's context ended")
	}
	if next <= token {
		e.Errorf("token %d after token %d, want it greater", next, token)
	}
}

func testLeadershipThroughRestart(e *env) {
	guarded := &section{env: e}
	ttl := max(e.caps.RestartTTL, e.caps.MinTTL)
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	for _, id := range []string{"one", "two", "three"} {
		c := e.connect(coord.LeadershipTTL(ttl), quiet)
		wg.Go(func() {
			err := c.Lead(ctx, "z", id, func(ctx context.Context, token uint64) error {
				guarded.pass(token)
				return nil
			})
			if err != nil {
				e.Errorf("Lead: %v", err)
			}
		})
	}
	e.await("a few terms have passed", patience, func() bool { return guarded.passed.Load() > 3 })
	e.restart()
	before := guarded.passed.Load()
	e.await("terms pass after the restart", patience, func() bool { return guarded.passed.Load() > before+3 })
	cancel()
	wg.Wait()
}

func testFailedTerm(e *env) {
	c := e.connect(quiet)
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	terms := 0
	err := c.Lead(ctx, "z", "me", func(context.Context, uint64) error {
		if terms++; terms == 3 {
			cancel()
		}
		return fault.New(fault.BadRequest, "test", "a term that fails")
	})
	if err != nil || terms != 3 {
		e.Errorf("Lead = %v after %d terms, want nil after 3", err, terms)
	}
}

// testNoGoroutineLeaks looks after the engine is closed too, since it may run in
// this process.
func testNoGoroutineLeaks(t *testing.T, newHarness NewHarness) {
	before := goleak.IgnoreCurrent()
	h := newHarness(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	for _, kill := range []bool{false, true} {
		e := &env{TB: t, ctx: ctx, harness: h, caps: h.Capabilities()}
		e.useAndLeave(kill)
	}
	h.Close()
	if err := goleak.Find(before); err != nil && !h.Capabilities().SharedEngine {
		t.Errorf("goroutines are left after Close: %v", err)
	}
}

// useAndLeave leaves a connection amid everything that has goroutines.
func (e *env) useAndLeave(kill bool) {
	conn, err := e.harness.Connect(e.ctx)
	if err != nil {
		e.Fatalf("Connect: %v", err)
	}
	c := coord.New(conn.Driver, quiet, coord.LeadershipTTL(e.caps.MinTTL))
	s := e.session(c, e.caps.MinTTL)
	e.create(s, "/leak", "")
	e.watch(c, "/").until("the snapshot is done", synced)
	held := e.lock(c, s, "leak")
	waiting := e.lockAsync(e.ctx, c, s, "leak")
	leader := e.campaign(c, "leak", "me")
	e.awaitTerm("the leader", patience, leader.terms)
	if kill {
		conn.Abandon()
	}
	ctx, cancel := context.WithTimeout(e.ctx, patience)
	defer cancel()
	if err := c.Close(ctx); err != nil && !kill {
		e.Errorf("Close: %v", err)
	}
	leader.resign()
	if err := errors.Join(<-leader.gone); err != nil {
		e.Errorf("Lead: %v", err)
	}
	<-waiting
	e.awaitClosed("Done of a lock on a closed connection", patience, held.Done())
	conn.Abandon()
	e.await("the node of the left connection is gone", e.expiry(e.caps.MinTTL), func() bool { return e.goneFor("/leak") })
}

func (e *env) goneFor(path string) bool {
	conn, err := e.harness.Connect(e.ctx)
	if err != nil {
		e.Fatalf("Connect: %v", err)
	}
	defer conn.Abandon()
	c := coord.New(conn.Driver)
	defer c.Close(e.ctx)
	return e.absent(c, path)
}
