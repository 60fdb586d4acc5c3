package membus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hansom-platform/hansom/bus/driver"
)

type groupKey struct{ name, topic string }

// group shares the events of a topic among its members. It stays when they go.
type group struct {
	engine *Engine
	name   string

	mu      sync.Mutex
	changed sync.Cond
	waiting []*item
	joined  int // members that take events
}

// item is an event on its way to one member of a group.
type item struct {
	topic    string
	message  *driver.Message
	attempts int
}

// member is one subscription of a group.
type member struct {
	conn    *conn
	group   *group
	s       driver.Subscription // with the defaults filled in
	handle  driver.EventHandler
	ctx     context.Context
	cancel  context.CancelFunc
	workers sync.WaitGroup
	leaving bool // takes no more events; under the group's lock
}

func (c *conn) join(s driver.Subscription, h driver.EventHandler) (driver.Consumer, error) {
	s.MaxDeliver = cmp.Or(s.MaxDeliver, 5)
	s.AckWait = cmp.Or(s.AckWait, 30*time.Second)
	s.RetryDelay = cmp.Or(s.RetryDelay, 200*time.Millisecond)
	s.Concurrency = cmp.Or(s.Concurrency, 1)
	m := &member{conn: c, group: c.engine.group(s), s: s, handle: h}
	m.ctx, m.cancel = context.WithCancel(c.ctx)
	if err := c.open(m, s.Concurrency); err != nil {
		return nil, err
	}
	m.group.enter()
	for range s.Concurrency {
		m.workers.Go(func() {
			defer c.workers.Done()
			m.work()
		})
	}
	return m, nil
}

func (e *Engine) group(s driver.Subscription) *group {
	key := groupKey{s.Group, s.Topic}
	e.mu.Lock()
	defer e.mu.Unlock()
	g := e.groups[key]
	if g == nil {
		g = &group{engine: e, name: s.Group}
		g.changed.L = &g.mu
		e.groups[key] = g
	}
	return g
}

func (g *group) push(i *item) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, i)
	g.changed.Signal()
}

// pop waits for an event for m; nil is the end.
func (g *group) pop(m *member) *item {
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.waiting) == 0 && !m.leaving {
		g.changed.Wait()
	}
	if m.leaving {
		if len(g.waiting) > 0 {
			g.changed.Signal() // the wake-up was for somebody who stays
		}
		return nil
	}
	i := g.waiting[0]
	g.waiting[0], g.waiting = nil, g.waiting[1:]
	i.attempts++
	return i
}

func (m *member) work() {
	for i := m.group.pop(m); i != nil; i = m.group.pop(m) {
		m.deliver(i)
	}
}

var errNotFinished = errors.New("the handler did not finish in time")

// deliver hands i to the handler. The outcome is what comes first: the handler's
// word, or the end of AckWait. The word of a severed member is not heard.
func (m *member) deliver(i *item) {
	ctx, cancel := context.WithTimeout(m.ctx, m.s.AckWait)
	defer cancel()
	var once sync.Once
	attempt := i.attempts
	late := time.AfterFunc(m.s.AckWait, func() {
		once.Do(func() {
			m.settle(i, fmt.Errorf("%w: not within %v on delivery %d", errNotFinished, m.s.AckWait, attempt))
		})
	})
	err := m.handle(ctx, &driver.Event{Topic: i.topic, Message: clone(i.message), Attempt: attempt})
	if m.conn.severed() {
		return
	}
	late.Stop()
	once.Do(func() { m.settle(i, err) })
}

// severed reports that the connection was cut off, not closed.
func (c *conn) severed() bool {
	return c.ctx.Err() != nil && !errors.Is(context.Cause(c.ctx), errClosed)
}

// settle ends one delivery: done, again later, or given up.
func (m *member) settle(i *item, err error) {
	switch {
	case err == nil:
	case i.attempts >= m.s.MaxDeliver:
		m.group.engine.bury(m.group, i, err)
	default:
		delay := m.s.RetryDelay << min(i.attempts-1, 20)
		time.AfterFunc(delay, func() { m.group.push(i) })
	}
}

// Drain implements driver.Consumer.
func (m *member) Drain(ctx context.Context) error {
	m.leave()
	if err := wait(ctx, &m.workers, "events are still being handled"); err != nil {
		return err
	}
	return m.Close()
}

// Close implements driver.Consumer.
func (m *member) Close() error {
	m.cut()
	m.conn.forget(m)
	return nil
}

func (m *member) cut() {
	m.leave()
	m.cancel()
}

func (m *member) leave() {
	m.group.mu.Lock()
	defer m.group.mu.Unlock()
	if !m.leaving {
		m.leaving = true
		m.group.joined--
		m.group.changed.Broadcast()
	}
}

func (g *group) enter() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.joined++
}

func (g *group) members() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.joined
}

// Dropped implements driver.Consumer: a group loses nothing.
func (m *member) Dropped() int { return 0 }
