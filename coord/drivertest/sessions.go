package drivertest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hansom-platform/hansom/coord"
	"github.com/hansom-platform/hansom/fault"
)

func (e *env) create(s *coord.Session, path, data string) coord.Node {
	e.Helper()
	n, err := s.Create(e.ctx, path, []byte(data))
	if err != nil {
		e.Fatalf("Create(%s): %v", path, err)
	}
	return n
}

func testEphemeralNodes(e *env) {
	c, other := e.connect(), e.connect()
	s := e.session(c, longTTL)
	n := e.create(s, "/e/a", "1")
	if n.Session != s.ID() || s.ID() == "" {
		e.Errorf("Create returned session %q, want %q", n.Session, s.ID())
	}
	if got := e.get(other, "/e/a"); got.Session != s.ID() || string(got.Data) != "1" || got.Revision != n.Revision {
		e.Errorf("Get on another connection = %+v, want %+v", got, n)
	}
	_, err := s.Create(e.ctx, "/e/a", nil)
	e.wantCode("Create of an own existing node", err, fault.Conflict)
	e.put(c, "/persistent", "")
	_, err = s.Create(e.ctx, "/persistent", nil)
	e.wantCode("Create of an existing persistent node", err, fault.Conflict)
	e.wantCode("Session.Delete of a persistent node", s.Delete(e.ctx, "/persistent"), fault.Conflict)
	e.wantCode("Session.Delete of an absent node", s.Delete(e.ctx, "/e/none"), fault.NotFound)
	if err := s.Delete(e.ctx, "/e/a"); err != nil {
		e.Errorf("Session.Delete of an own node: %v", err)
	}
	if !e.absent(other, "/e/a") {
		e.Error("/e/a exists after Session.Delete")
	}
	again := e.create(s, "/e/a", "2")
	if again.Revision <= n.Revision {
		e.Errorf("Create after Delete has revision %d, want more than %d", again.Revision, n.Revision)
	}
	if err := other.Delete(e.ctx, "/e/a"); err != nil {
		e.Errorf("Coord.Delete of somebody's ephemeral node: %v", err)
	}
	if !e.absent(c, "/e/a") {
		e.Error("/e/a exists after Coord.Delete")
	}
}

func testSetTakesOver(e *env) {
	c := e.connect()
	first, second := e.session(c, longTTL), e.session(c, longTTL)
	e.create(first, "/e", "first")
	n, err := second.Set(e.ctx, "/e", []byte("second"))
	if err != nil {
		e.Fatalf("Set of another session's node: %v", err)
	}
	if got := e.get(c, "/e"); got.Session != second.ID() || string(got.Data) != "second" || got.Revision != n.Revision {
		e.Errorf("Get after Set = %+v, want it owned by the second session", got)
	}
	e.wantCode("Delete by the former owner", first.Delete(e.ctx, "/e"), fault.Conflict)
	if err := first.Close(e.ctx); err != nil {
		e.Errorf("Close: %v", err)
	}
	e.get(c, "/e")
	if n, err = second.Set(e.ctx, "/e", []byte("again")); err != nil || string(e.get(c, "/e").Data) != "again" {
		e.Errorf("Set of an own node = %+v, %v, want it replaced", n, err)
	}
	if err := second.Close(e.ctx); err != nil {
		e.Errorf("Close: %v", err)
	}
	if !e.absent(c, "/e") {
		e.Error("/e exists after its last owner closed")
	}
}

// testNeverAbsentWhileTakenOver hands a node from session to session, each of which ends
// once the next has the node, before the eyes of readers.
func testNeverAbsentWhileTakenOver(e *env) {
	c, other := e.connect(), e.connect()
	owner := e.session(c, longTTL)
	e.create(owner, "/e", "")
	ctx, stop := context.WithCancel(e.ctx)
	var readers sync.WaitGroup
	var reads atomic.Int64
	for range 4 {
		readers.Go(func() {
			for ctx.Err() == nil {
				if _, err := other.Get(ctx, "/e"); err != nil && ctx.Err() == nil {
					e.Errorf("Get while the node passes from one session to another: %v, want the node", err)
				}
				reads.Add(1)
			}
		})
	}
	for range 50 {
		heir := e.session(c, longTTL)
		if _, err := heir.Set(e.ctx, "/e", nil); err != nil {
			e.Errorf("Set: %v", err)
		}
		if err := owner.Close(e.ctx); err != nil {
			e.Errorf("Close: %v", err)
		}
		owner = heir
	}
	e.await("the readers have read", patience, func() bool { return reads.Load() > 100 })
	stop()
	readers.Wait()
}

func testSessionCloseRemovesNodes(e *env) {
	c, other := e.connect(), e.connect()
	s, stays := e.session(c, longTTL), e.session(c, longTTL)
	for _, p := range []string{"/e/a", "/e/b", "/e/c"} {
		e.create(s, p, "")
	}
	e.create(stays, "/e/d", "")
	for range 2 {
		if err := s.Close(e.ctx); err != nil {
			e.Fatalf("Session.Close: %v", err)
		}
	}
	if got := e.list(other, "/e"); len(got) != 1 {
		e.Errorf("List(/e) after the session closed = %v, want /e/d only", got)
	}
	if isOpen(s.Done()) {
		e.Error("Done is open after Close")
	}
	_, err := s.Create(e.ctx, "/e/z", nil)
	e.wantCode("Create in a closed session", err, fault.Unavailable)
	e.create(stays, "/e/a", "reused")
}

func testCoordCloseRemovesNodes(e *env) {
	c, other := e.connect(), e.connect()
	s := e.session(c, longTTL)
	e.create(s, "/e/a", "")
	if err := c.Close(e.ctx); err != nil {
		e.Fatalf("Coord.Close: %v", err)
	}
	if !e.absent(other, "/e/a") {
		e.Error("/e/a exists after its connection was closed")
	}
	if isOpen(s.Done()) {
		e.Error("Session.Done is open after Coord.Close")
	}
}

func testAbandonedSessionExpires(e *env) {
	c, abandon := e.connectMortal()
	other := e.connect()
	s := e.session(c, e.caps.MinTTL)
	e.create(s, "/e/a", "")
	e.get(other, "/e/a")
	abandon()
	e.awaitClosed("Done of an abandoned session", e.expiry(e.caps.MinTTL), s.Done())
	e.await("the abandoned node is gone", e.expiry(e.caps.MinTTL), func() bool { return e.absent(other, "/e/a") })
	if got := e.list(other, "/"); len(got) != 0 {
		e.Errorf("List(/) after expiry = %v, want nothing", got)
	}
	heir := e.session(other, longTTL)
	e.create(heir, "/e/a", "heir")
}

func testLivingSessionOutlastsTTL(e *env) {
	c, other := e.connect(), e.connect()
	s := e.session(c, e.caps.MinTTL)
	e.create(s, "/e/a", "")
	// A second session dies to tell the time: when the engine has expired it, the first had its chance too.
	mortal, abandon := e.connectMortal()
	e.create(e.session(mortal, 2*e.caps.MinTTL), "/e/clock", "")
	abandon()
	e.await("the clock's node is gone", e.expiry(2*e.caps.MinTTL), func() bool { return e.absent(other, "/e/clock") })
	if e.absent(other, "/e/a") || !isOpen(s.Done()) {
		e.Errorf("a living session with a ttl of %v was lost within %v", e.caps.MinTTL, e.expiry(2*e.caps.MinTTL))
	}
}

func testDoneBeforeNodesGo(e *env) {
	c, abandon := e.connectMortal()
	other := e.connect()
	s := e.session(c, e.caps.MinTTL)
	e.create(s, "/e", "")
	w := e.watch(other, "/e")
	w.until("the node is told", has("/e"))
	abandon()
	w.until("the node's end is told", lacks("/e"))
	if isOpen(s.Done()) {
		e.Error("others were told of the node's end before Done closed on its owner's side")
	}
}

func testSessionSurvivesRestart(e *env) {
	ttl := e.caps.RestartTTL
	if ttl == 0 {
		ttl = longTTL
	}
	c := e.connect()
	s := e.session(c, ttl)
	e.create(s, "/e", "")
	p := e.put(c, "/p", "kept")
	e.restart()
	if got := e.get(c, "/p"); got.Revision != p.Revision || string(got.Data) != "kept" {
		e.Errorf("persistent node after a restart = %+v, want %+v", got, p)
	}
	if e.caps.RestartTTL == 0 {
		e.await("the session notices its end", e.expiry(ttl), func() bool { return !isOpen(s.Done()) })
		return
	}
	// The session must renew after the restart: wait until its ttl has passed.
	timer := time.NewTimer(e.expiry(ttl))
	defer timer.Stop()
	select {
	case <-s.Done():
		e.Fatalf("session with ttl %v was lost over a restart", ttl)
	case <-timer.C:
	}
	if _, err := s.Set(e.ctx, "/e", []byte("after")); err != nil {
		e.Errorf("Set after the restart: %v", err)
	}
}
