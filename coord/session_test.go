package coord

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansom-platform/hansom/coord/driver"
	"github.com/hansom-platform/hansom/fault"
)

// vagueSession applies writes without ever confirming them until it is mended.
type vagueSession struct {
	done chan struct{}

	mu     sync.Mutex
	mended bool
	delay  time.Duration // until a write is applied
	nodes  map[string]bool
	tries  int
}

var _ driver.Session = (*vagueSession)(nil)

var errVague = fault.New(fault.Unavailable, "test", "no answer")

func (s *vagueSession) ID() string            { return "vague" }
func (s *vagueSession) Done() <-chan struct{} { return s.done }

func (s *vagueSession) Create(_ context.Context, path string, _ []byte) (Node, error) {
	time.AfterFunc(s.delay, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.nodes[path] = true
	})
	return Node{}, errVague
}

func (s *vagueSession) Set(ctx context.Context, path string, data []byte) (Node, error) {
	return s.Create(ctx, path, data)
}

func (s *vagueSession) Delete(_ context.Context, path string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries++
	if !s.mended {
		return errVague
	}
	if !s.nodes[path] {
		return fault.New(fault.NotFound, "test", "no such node")
	}
	delete(s.nodes, path)
	return nil
}

func (s *vagueSession) Close(context.Context) error { close(s.done); return nil }

func (s *vagueSession) state() (nodes, tries int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.nodes), s.tries
}

func newVagueSession() (*Session, *vagueSession) {
	v := &vagueSession{done: make(chan struct{}), nodes: make(map[string]bool)}
	return &Session{coord: New(nil), driver: v, leftover: make(map[string]time.Time)}, v
}

// A contender that may have been created would block its lock for as long as the
// session lives.
func TestContenderOfUnknownFateIsDeletedOnceTheEngineAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, v := newVagueSession()
		for range 2 {
			if _, err := s.coord.Lock(t.Context(), s, "l"); !fault.Is(err, fault.Unavailable) {
				t.Fatalf("Lock = %v, want UNAVAILABLE", err)
			}
		}
		<-time.After(time.Minute)
		if nodes, tries := v.state(); nodes != 2 || tries < 10 {
			t.Errorf("after a minute without answers: %d nodes, %d deletions tried; want 2 and at least 10", nodes, tries)
		}
		v.mu.Lock()
		v.mended = true
		v.mu.Unlock()
		<-time.After(2 * time.Second)
		if nodes, _ := v.state(); nodes != 0 {
			t.Errorf("%d nodes are left after the engine answered again, want 0", nodes)
		}
	})
}

// What was sent before may be applied after the first look for it.
func TestContenderThatIsCreatedLateIsDeletedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, v := newVagueSession()
		v.mended, v.delay = true, 3*time.Second
		if _, err := s.coord.Lock(t.Context(), s, "l"); !fault.Is(err, fault.Unavailable) {
			t.Fatalf("Lock = %v, want UNAVAILABLE", err)
		}
		<-time.After(v.delay + 2*time.Second)
		if nodes, tries := v.state(); nodes != 0 || tries < 2 {
			t.Errorf("%d nodes are left 2s after the late write, after %d deletions; want 0", nodes, tries)
		}
		<-time.After(settled)
		_, before := v.state()
		<-time.After(time.Minute)
		if _, after := v.state(); after != before {
			t.Errorf("%d deletions were tried for a node that was deleted, want 0", after-before)
		}
	})
}

func TestDeletingOfContendersEndsWithTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, v := newVagueSession()
		_, _ = s.coord.Lock(t.Context(), s, "l")
		<-time.After(time.Second)
		if err := s.Close(t.Context()); err != nil {
			t.Fatalf("Close: %v", err)
		}
		_, before := v.state()
		<-time.After(time.Minute)
		if _, after := v.state(); after != before {
			t.Errorf("%d deletions were tried after the session's end, want 0", after-before)
		}
	})
}
