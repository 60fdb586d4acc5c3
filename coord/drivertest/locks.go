package drivertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hansom-platform/hansom/coord"
	"github.com/hansom-platform/hansom/fault"
)

func (e *env) lock(c *coord.Coord, s *coord.Session, name string) *coord.Lock {
	e.Helper()
	l, err := c.Lock(e.ctx, s, name)
	if err != nil {
		e.Fatalf("Lock(%s): %v", name, err)
	}
	return l
}

func (e *env) unlock(l *coord.Lock) {
	e.Helper()
	if err := l.Unlock(e.ctx); err != nil {
		e.Errorf("Unlock: %v", err)
	}
}

// lockAsync locks in the background and delivers the lock or nil.
func (e *env) lockAsync(ctx context.Context, c *coord.Coord, s *coord.Session, name string) <-chan *coord.Lock {
	got := make(chan *coord.Lock, 1)
	go func() {
		defer close(got)
		if l, err := c.Lock(ctx, s, name); err == nil {
			got <- l
		}
	}()
	return got
}

func (e *env) receiveLock(what string, within time.Duration, ch <-chan *coord.Lock) *coord.Lock {
	e.Helper()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case l := <-ch:
		if l == nil {
			e.Fatalf("%s failed to lock", what)
		}
		return l
	case <-timer.C:
		e.Fatalf("%s did not get the lock within %v", what, within)
		return nil
	}
}

// section is a critical section that notices intruders and old tokens.
type section struct {
	env    *env
	inside atomic.Int32
	last   atomic.Uint64
	passed atomic.Int32
}

func (s *section) pass(token uint64) {
	if n := s.inside.Add(1); n != 1 {
		s.env.Errorf("%d holders at a time, want 1", n)
	}
	if before := s.last.Swap(token); token <= before {
		s.env.Errorf("token %d after token %d, want it greater", token, before)
	}
	<-time.After(time.Millisecond) // long enough for an intruder to be met
	s.passed.Add(1)
	s.inside.Add(-1)
}

func testLockExcludes(e *env) {
	const connections, contenders, rounds = 3, 12, 4
	conns := make([]*coord.Coord, connections)
	for i := range conns {
		conns[i] = e.connect()
	}
	guarded := &section{env: e}
	var wg sync.WaitGroup
	for i := range contenders {
		c := conns[i%connections]
		s := e.session(c, longTTL)
		wg.Go(func() {
			for range rounds {
				l, err := c.Lock(e.ctx, s, "shared")
				if err != nil {
					e.Errorf("Lock: %v", err)
					return
				}
				guarded.pass(l.Token())
				if err := l.Unlock(e.ctx); err != nil {
					e.Errorf("Unlock: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if got := guarded.passed.Load(); got != contenders*rounds {
		e.Errorf("%d passages, want %d", got, contenders*rounds)
	}
	if left := e.list(conns[0], "/_locks"); len(left) != 0 {
		e.Errorf("nodes left after all unlocked: %v", left)
	}
}

func testLockFencing(e *env) {
	c := e.connect()
	s := e.session(c, longTTL)
	before := e.put(c, "/x", "")
	a, b := e.lock(c, s, "a"), e.lock(c, s, "a/b")
	if a.Token() <= before.Revision || b.Token() <= a.Token() {
		e.Errorf("tokens %d and %d after revision %d, want them to grow", a.Token(), b.Token(), before.Revision)
	}
	for range 2 {
		e.unlock(a)
	}
	if isOpen(a.Done()) {
		e.Error("Done is open after Unlock")
	}
	if !isOpen(b.Done()) {
		e.Error("unlocking lock a ended lock a/b")
	}
	again := e.lock(c, s, "a")
	if again.Token() <= b.Token() {
		e.Errorf("token %d after token %d, want it greater", again.Token(), b.Token())
	}
	e.unlock(again)
	e.unlock(b)
}

func testTryLock(e *env) {
	c, other := e.connect(), e.connect()
	s, t := e.session(c, longTTL), e.session(other, longTTL)
	held, err := c.TryLock(e.ctx, s, "try")
	if err != nil {
		e.Fatalf("TryLock of a free lock: %v", err)
	}
	_, err = other.TryLock(e.ctx, t, "try")
	e.wantCode("TryLock of a held lock", err, fault.Conflict)
	e.unlock(held)
	l, err := other.TryLock(e.ctx, t, "try")
	if err != nil {
		e.Fatalf("TryLock after Unlock: %v", err)
	}
	e.unlock(l)
	for round := range 10 {
		var winners atomic.Int32
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				conn, session := c, s
				if i%2 == 1 {
					conn, session = other, t
				}
				if _, err := conn.TryLock(e.ctx, session, fmt.Sprintf("race-%d", round)); err == nil {
					winners.Add(1)
				} else {
					e.wantCode("TryLock that lost", err, fault.Conflict)
				}
			})
		}
		wg.Wait()
		if got := winners.Load(); got > 1 {
			e.Errorf("%d concurrent TryLocks succeeded, want at most 1", got)
		}
	}
}

func testLockWithdraws(e *env) {
	c := e.connect()
	s := e.session(c, longTTL)
	held := e.lock(c, s, "busy")
	ctx, cancel := context.WithTimeout(e.ctx, 50*time.Millisecond)
	defer cancel()
	_, err := c.Lock(ctx, s, "busy")
	e.wantCode("Lock whose context ended", err, fault.Timeout)
	if got := e.list(c, "/_locks/busy"); len(got) != 1 {
		e.Errorf("contenders after one withdrew: %v, want the holder only", got)
	}
	waiting := e.session(c, longTTL)
	failed := make(chan error, 1)
	go func() { _, err := c.Lock(e.ctx, waiting, "busy"); failed <- err }()
	e.await("the second contender queues up", patience, func() bool { return len(e.list(c, "/_locks/busy")) == 2 })
	if err := waiting.Close(e.ctx); err != nil {
		e.Fatalf("Session.Close: %v", err)
	}
	if err := <-failed; !errors.Is(err, coord.ErrSessionLost) {
		e.Errorf("Lock whose session ended: %v, want ErrSessionLost in its chain", err)
	}
	next := e.lockAsync(e.ctx, c, s, "busy")
	e.unlock(held)
	e.unlock(e.receiveLock("the next contender", patience, next))
}

func testLockPassesOn(e *env) {
	c, abandon := e.connectMortal()
	other := e.connect()
	held := e.lock(c, e.session(c, e.caps.MinTTL), "l")
	waiting := e.lockAsync(e.ctx, other, e.session(other, longTTL), "l")
	e.await("the other one queues up", patience, func() bool { return len(e.list(other, "/_locks/l")) == 2 })
	abandon()
	l := e.receiveLock("the waiting contender", e.expiry(e.caps.MinTTL), waiting)
	if isOpen(held.Done()) {
		e.Error("the lock passed on before Done closed on its abandoned holder's side")
	}
	if l.Token() <= held.Token() {
		e.Errorf("token %d after token %d, want it greater", l.Token(), held.Token())
	}
	e.unlock(l)
}

func testLockLostWithNode(e *env) {
	conn, err := e.harness.Connect(e.ctx)
	if err != nil {
		e.Fatalf("Connect: %v", err)
	}
	c := coord.New(conn.Driver)
	defer c.Close(e.ctx)
	s := e.session(c, longTTL)
	held := e.lock(c, s, "l")
	for _, path := range e.list(c, "/_locks/l") {
		if err := conn.Driver.Delete(e.ctx, path, 0); err != nil {
			e.Fatalf("Delete(%s): %v", path, err)
		}
	}
	e.awaitClosed("Done of a lock whose node was deleted", patience, held.Done())
	bySession := e.lock(c, s, "m")
	if err := s.Close(e.ctx); err != nil {
		e.Fatalf("Session.Close: %v", err)
	}
	e.awaitClosed("Done of a lock whose session was closed", patience, bySession.Done())
}

func testLockThroughRestart(e *env) {
	ttl := e.caps.RestartTTL
	if ttl == 0 {
		return
	}
	c, other := e.connect(), e.connect()
	held := e.lock(c, e.session(c, ttl), "l")
	waiting := e.lockAsync(e.ctx, other, e.session(other, ttl), "l")
	e.await("the other one queues up", patience, func() bool { return len(e.list(other, "/_locks/l")) == 2 })
	e.restart()
	e.put(other, "/after", "")
	select {
	case <-held.Done():
		e.Fatalf("a lock with session ttl %v was lost over a restart", ttl)
	case <-waiting:
		e.Fatal("the lock passed on though its holder lives")
	default:
	}
	e.unlock(held)
	e.unlock(e.receiveLock("the waiting contender", patience, waiting))
}
