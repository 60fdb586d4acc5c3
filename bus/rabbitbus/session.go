package rabbitbus

import (
	"context"
	"crypto/rand"
	mathrand "math/rand/v2"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	patience     = 2 * time.Second // how long a call waits for a lost connection
	firstDelay   = 10 * time.Millisecond
	longestDelay = 2 * time.Second
	callTimeout  = 10 * time.Second // an exchange with the broker that nothing else bounds
	closeTimeout = time.Second
)

// A session is the AMQP connection between two losses.
type session struct {
	conn   *conn
	amqp   *amqp.Connection
	line   *line
	ctx    context.Context // ends when the connection is lost
	cancel context.CancelFunc
	number uint64
	begun  time.Time
	guest  bool // the broker is another zone's: only set where the user may declare exchanges

	replies    string // the name of the queue of replies
	lanes      lanes
	publishers publishers
	confirms   confirmers
}

// connection holds the present session and who waits for one.
type connection struct {
	live    atomic.Pointer[session]
	changed atomic.Pointer[chan struct{}] // closed when a session comes
}

// connect opens the next session.
func (c *conn) connect(ctx context.Context, number uint64) (*session, error) {
	opened, l, err := c.config.dial(ctx)
	if err != nil {
		return nil, c.config.dialError(err)
	}
	s := &session{conn: c, amqp: opened, line: l, number: number, begun: time.Now(), replies: prefixReply + rand.Text()}
	s.ctx, s.cancel = context.WithCancel(c.ctx)
	s.watch()
	if err := s.prepare(ctx); err != nil {
		s.close(context.WithoutCancel(ctx))
		return nil, err
	}
	return s, nil
}

// watch ends the session with its connection, and tells the line when the broker takes nothing.
func (s *session) watch() {
	lost := s.amqp.NotifyClose(make(chan *amqp.Error, 1))
	blocks := s.amqp.NotifyBlocked(make(chan amqp.Blocking, 8))
	s.conn.tasks.Go(func() {
		for b := range blocks {
			s.conn.log.Warn("the bus broker takes no messages, or does again", "name", s.conn.config.Name, "blocked", b.Active, "reason", b.Reason)
			s.line.block(b.Active)
		}
	})
	s.conn.tasks.Go(func() {
		defer s.cancel()
		if reason, ok := <-lost; ok && s.conn.ctx.Err() == nil {
			s.conn.log.Warn("bus connection lost", "name", s.conn.config.Name, "error", reason)
		}
	})
}

// prepare makes the session ready for calls.
func (s *session) prepare(ctx context.Context) error {
	if err := s.declareTopology(ctx); err != nil {
		return err
	}
	for i := range requestLanes {
		if err := s.openLane(ctx, i); err != nil {
			return err
		}
	}
	return s.openReplies(ctx)
}

// close ends the session in good order where the broker answers within ctx and closeTimeout.
func (s *session) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	_ = await(ctx, func() error { return s.amqp.Close() })
	_ = s.line.Close()
	<-s.ctx.Done()
}

// awaitEnd returns with the session, whose connection is broken, or with ctx.
func (s *session) awaitEnd(ctx context.Context) {
	select {
	case <-s.ctx.Done():
	case <-ctx.Done():
	}
}

// run keeps a session open until the connection is closed by this side.
func (c *conn) run(s *session) {
	for {
		<-s.ctx.Done()
		if c.ctx.Err() != nil {
			s.close(context.Background()) // Close may not have seen this one
			return
		}
		if s = c.reconnect(s.number + 1); s == nil {
			return
		}
		c.log.Info("bus connection is back", "name", c.config.Name)
		c.arrive(s)
	}
}

func (c *conn) arrive(s *session) {
	c.connection.live.Store(s)
	next := make(chan struct{})
	if waiting := c.connection.changed.Swap(&next); waiting != nil {
		close(*waiting)
	}
}

// reconnect tries until it has a session or the connection is closed by this side: nil.
func (c *conn) reconnect(number uint64) *session {
	for attempt := 0; ; attempt++ {
		s, err := c.connect(c.ctx, number)
		if err == nil {
			return s
		}
		c.log.Debug("bus connection still away", "name", c.config.Name, "attempt", attempt, "error", err)
		if !pause(c.ctx, backoff(attempt)) {
			return nil
		}
	}
}

func backoff(attempt int) time.Duration {
	d := min(firstDelay<<min(attempt, 10), longestDelay)
	return d/2 + mathrand.N(d)
}

// pause waits for d and tells whether ctx still lives.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// session returns the live session. Where there is none it waits up to patience for it, within
// ctx, and fails with Unavailable then: nothing was sent.
func (c *conn) session(ctx context.Context) (*session, error) {
	if s := c.connection.live.Load(); s.ctx.Err() == nil {
		return s, nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return c.awaitSession(ctx)
}

// awaitSession waits for a live session as long as ctx lets it.
func (c *conn) awaitSession(ctx context.Context) (*session, error) {
	for {
		changed := c.connection.changed.Load()
		if c.ctx.Err() != nil {
			return nil, errClosed()
		}
		if s := c.connection.live.Load(); s.ctx.Err() == nil {
			return s, nil
		}
		select {
		case <-*changed:
		case <-c.ctx.Done():
			return nil, errClosed()
		case <-ctx.Done():
			return nil, errDisconnected(ctx.Err())
		}
	}
}

// channel opens a channel for whoever wants one of its own, and must close it.
func (s *session) channel(ctx context.Context) (*amqp.Channel, error) {
	if ctx.Err() != nil {
		return nil, engineError(ctx.Err(), "open a channel")
	}
	type result struct {
		channel *amqp.Channel
		err     error
	}
	opened := make(chan result, 1)
	go func() {
		ch, err := s.amqp.Channel()
		opened <- result{ch, err}
	}()
	select {
	case r := <-opened:
		return r.channel, engineError(r.err, "open a channel")
	case <-ctx.Done():
		go func() {
			if r := <-opened; r.err == nil {
				_ = r.channel.Close()
			}
		}()
		return nil, engineError(ctx.Err(), "open a channel")
	}
}

// do runs f, which may block, on a channel of its own. It returns within ctx and callTimeout,
// when f may still run: what f sets may be read only where do succeeded.
func (s *session) do(ctx context.Context, what string, f func(ch *amqp.Channel) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	ch, err := s.channel(ctx)
	if err != nil {
		return err
	}
	err = perform(ctx, ch, func() error { return f(ch) })
	if err == nil {
		release(ch)
	}
	return engineError(err, what)
}

// perform runs f, which asks the broker for something on ch, and returns its error or, when ctx ends before, that
// of ctx. After an error nobody may use ch: it is closed, but not before f has returned. What is sent on a channel that
// is being closed is an error of the whole connection (504), and amqp091-go gives the answer to a close to any
// other question that waits on the channel.
func perform(ctx context.Context, ch *amqp.Channel, f func() error) error {
	done := make(chan error)
	go func() {
		err := f()
		if err != nil {
			release(ch)
		}
		select {
		case done <- err:
		case <-ctx.Done():
			release(ch)
		}
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// release closes a channel that is not needed any more without waiting for it. Nothing else may be under way on it.
func release(ch *amqp.Channel) {
	if !ch.IsClosed() {
		go func() { _ = ch.Close() }()
	}
}

// await runs f, which may block, and returns its error or, when ctx ends before, that of ctx.
func await(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
