package membus

import (
	"context"
	"strings"
	"sync"

	"github.com/hansom-platform/hansom/bus/driver"
)

// What an ephemeral subscription may have waiting before events are dropped.
const (
	maxWaiting      = 65536
	maxWaitingBytes = 16 << 20
)

// matches reports whether topic is one of those that pattern takes in.
func matches(pattern, topic string) bool {
	switch {
	case strings.HasSuffix(pattern, ".>"):
		return strings.HasPrefix(topic, pattern[:len(pattern)-1])
	case strings.HasSuffix(pattern, ".*"):
		rest, ok := strings.CutPrefix(topic, pattern[:len(pattern)-1])
		return ok && !strings.Contains(rest, ".")
	}
	return pattern == topic
}

// Publish implements driver.Bus.
func (c *conn) Publish(ctx context.Context, topic string, m *driver.Message) error {
	if err := c.awaitPower(ctx); err != nil {
		return err
	}
	e := c.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	for s := range e.subs {
		if matches(s.topic, topic) {
			s.push(&driver.Event{Topic: topic, Message: clone(m), Attempt: 1})
		}
	}
	for key, g := range e.groups {
		if matches(key.topic, topic) {
			g.push(&item{topic: topic, message: clone(m)})
		}
	}
	return nil
}

// Subscribe implements driver.Bus.
func (c *conn) Subscribe(ctx context.Context, s driver.Subscription, h driver.EventHandler) (driver.Consumer, error) {
	if err := c.awaitPower(ctx); err != nil {
		return nil, err
	}
	if s.Group != "" {
		return c.join(s, h)
	}
	sub := &ephemeral{conn: c, topic: s.Topic, handle: h}
	sub.ctx, sub.cancel = context.WithCancel(c.ctx)
	sub.changed.L = &sub.mu
	if err := c.open(sub, 1); err != nil {
		return nil, err
	}
	c.engine.listen(sub)
	sub.worker.Go(func() {
		defer c.workers.Done()
		sub.work()
	})
	return sub, nil
}

// listen has s get what is published from now on, unless it was cut already.
func (e *Engine) listen(s *ephemeral) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s.ctx.Err() == nil {
		e.subs[s] = struct{}{}
	}
}

// ephemeral is a subscription that gets what is published while it is open.
type ephemeral struct {
	conn   *conn
	topic  string
	handle driver.EventHandler
	ctx    context.Context
	cancel context.CancelFunc
	worker sync.WaitGroup

	mu       sync.Mutex
	changed  sync.Cond
	waiting  []*driver.Event
	bytes    int
	dropped  int
	draining bool // take no more, handle what waits
	closed   bool
}

func (s *ephemeral) push(e *driver.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.draining || s.closed:
	case len(s.waiting) >= maxWaiting || s.bytes+len(e.Message.Body) > maxWaitingBytes:
		s.dropped++
	default:
		s.waiting = append(s.waiting, e)
		s.bytes += len(e.Message.Body)
		s.changed.Signal()
	}
}

func (s *ephemeral) work() {
	for e := s.pop(); e != nil; e = s.pop() {
		_ = s.handle(s.ctx, e) // at most once: what fails is the handler's loss
	}
}

// pop waits for the next event; nil is the end.
func (s *ephemeral) pop() *driver.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.waiting) == 0 && !s.draining && !s.closed {
		s.changed.Wait()
	}
	if s.closed || len(s.waiting) == 0 {
		return nil
	}
	e := s.waiting[0]
	s.waiting[0], s.waiting = nil, s.waiting[1:]
	s.bytes -= len(e.Message.Body)
	return e
}

// Drain implements driver.Consumer.
func (s *ephemeral) Drain(ctx context.Context) error {
	s.mu.Lock()
	s.draining = true
	s.changed.Broadcast()
	s.mu.Unlock()
	if err := wait(ctx, &s.worker, "events are still being handled"); err != nil {
		return err
	}
	return s.Close()
}

// Close implements driver.Consumer.
func (s *ephemeral) Close() error {
	s.cut()
	s.conn.forget(s)
	return nil
}

func (s *ephemeral) cut() {
	s.cancel()
	s.conn.engine.mu.Lock()
	delete(s.conn.engine.subs, s)
	s.conn.engine.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.waiting = nil
	s.changed.Broadcast()
}

// Dropped implements driver.Consumer.
func (s *ephemeral) Dropped() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropped
}
