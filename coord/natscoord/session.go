package natscoord

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansom-platform/hansom/coord/driver"
	"github.com/hansom-platform/hansom/fault"
)

const (
	minTTL = time.Second
	maxTTL = time.Hour
	// renewals is how many renewals fit into a ttl, and retries how many more
	// attempts once one has failed.
	renewals = 3
	retries  = 20
)

// session is a message that its owner rewrites before its ttl is over. Each
// renewal is conditional on the one before, so that what the server has let go
// cannot come back.
type session struct {
	coord   *Coord
	id      string
	ttl     time.Duration
	ctx     context.Context // ends with the session
	cancel  context.CancelFunc
	stopped chan struct{} // closed when keepAlive has returned

	mu       sync.Mutex
	closed   bool
	revision uint64            // of the session's message
	deadline time.Time         // when this side considers the session lost
	paths    map[string]uint64 // nodes made through this session, with their revisions
}

var _ driver.Session = (*session)(nil)

func (c *Coord) openSession(ctx context.Context, ttl time.Duration) (*session, error) {
	s := &session{
		coord:   c,
		id:      uuid.NewString(),
		ttl:     ttl,
		stopped: make(chan struct{}),
		paths:   make(map[string]uint64),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if err := s.renew(ctx); err != nil {
		s.cancel()
		return nil, err
	}
	go s.keepAlive()
	return s, nil
}

func (s *session) ID() string            { return s.id }
func (s *session) Done() <-chan struct{} { return s.ctx.Done() }
func (s *session) subject() string       { return s.coord.names.session(s.id) }

// renew rewrites the session's message. The deadline counts from before the
// sending, so that it comes before the server's. Only one goroutine renews.
func (s *session) renew(ctx context.Context) error {
	revision, _ := s.lease()
	for {
		sent := time.Now()
		m := &nats.Msg{Subject: s.subject(), Data: []byte(s.ttl.String())}
		renewed, err := s.coord.publish(ctx, m,
			jetstream.WithMsgTTL(s.ttl), jetstream.WithExpectLastSequencePerSubject(revision))
		if err == nil {
			s.setLease(renewed, sent.Add(s.ttl))
			return nil
		}
		if !fault.Is(err, fault.Conflict) {
			return err
		}
		if revision, err = s.reread(ctx); err != nil {
			return err
		}
	}
}

// reread returns the revision of the session's message: it is not the known one if
// the confirmation of a renewal was lost. If there is no message, the session is over.
func (s *session) reread(ctx context.Context) (uint64, error) {
	r, err := s.coord.last(ctx, s.subject())
	if err != nil {
		return 0, err
	}
	if !r.live {
		s.cancel()
		return 0, errLost
	}
	return r.seq, nil
}

func (s *session) lease() (revision uint64, deadline time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.revision, s.deadline
}

func (s *session) setLease(revision uint64, deadline time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revision, s.deadline = revision, deadline
}

func (s *session) keepAlive() {
	defer close(s.stopped)
	defer s.coord.forget(s)
	defer s.cancel()
	wait := s.ttl / renewals
	for s.pause(wait) {
		_, deadline := s.lease()
		ctx, cancel := context.WithDeadline(s.ctx, deadline)
		err := s.renew(ctx)
		cancel()
		switch {
		case err == nil:
			wait = s.ttl / renewals
		case fault.ReasonOf(err) == errClosed.Reason:
			return
		default:
			wait = s.ttl / retries
		}
	}
}

// pause waits, at most until the session's deadline, and reports whether the
// session goes on.
func (s *session) pause(d time.Duration) bool {
	_, deadline := s.lease()
	timer := time.NewTimer(min(d, time.Until(deadline)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return time.Now().Before(deadline)
	case <-s.ctx.Done():
		return false
	}
}

// Create implements driver.Session.
func (s *session) Create(ctx context.Context, path string, data []byte) (driver.Node, error) {
	seq, err := s.coord.create(ctx, path, data, s.id)
	return s.made(path, data, seq, err)
}

// Set implements driver.Session. It is conditional on the session's own message:
// were it not, a session that is over without knowing it could overwrite
// its successor's node with one that nobody sees.
func (s *session) Set(ctx context.Context, path string, data []byte) (driver.Node, error) {
	revision, _ := s.lease()
	for range maxContention {
		seq, err := s.coord.publish(ctx, s.coord.nodeMsg(path, data, s.id),
			jetstream.WithExpectLastSequenceForSubject(revision, s.subject()))
		if !fault.Is(err, fault.Conflict) {
			return s.made(path, data, seq, err)
		}
		if revision, err = s.reread(ctx); err != nil {
			return driver.Node{}, err
		}
	}
	return driver.Node{}, errContended
}

func (s *session) made(path string, data []byte, seq uint64, err error) (driver.Node, error) {
	if err != nil {
		return driver.Node{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paths[path] = max(seq, s.paths[path])
	return driver.Node{Path: path, Data: data, Revision: seq, Session: s.id}, nil
}

// Delete implements driver.Session.
func (s *session) Delete(ctx context.Context, path string) error {
	err := s.coord.deleteIf(ctx, path, func(r record) error {
		if r.session != s.id {
			return errNotOwner
		}
		return nil
	})
	if err == nil || fault.Is(err, fault.NotFound) || fault.Is(err, fault.Conflict) {
		s.mu.Lock()
		delete(s.paths, path)
		s.mu.Unlock()
	}
	return err
}

// Close implements driver.Session. Deleting the session's message makes all its
// nodes invisible at once; deleting the nodes is cleaning up, and stops at the
// first error, for whoever watches does it too.
func (s *session) Close(ctx context.Context) error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	s.cancel()
	<-s.stopped
	if err := s.coord.purge(ctx, s.subject()); err != nil {
		return err
	}
	for path, revision := range s.owned() {
		err := s.coord.purge(ctx, s.coord.names.node(path), jetstream.WithExpectLastSequencePerSubject(revision))
		if err != nil && !fault.Is(err, fault.Conflict) {
			return nil
		}
	}
	return nil
}

func (s *session) owned() map[string]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	paths := s.paths
	s.paths = make(map[string]uint64)
	return paths
}
