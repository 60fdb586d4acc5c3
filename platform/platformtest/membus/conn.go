package membus

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// patience is how long a call waits for an engine that is down.
const patience = 2 * time.Second

// conn is one connection. It implements driver.Bus.
type conn struct {
	engine *Engine
	zone   driver.Zone
	ctx    context.Context // ends with the connection; its cause is a fault
	cancel context.CancelCauseFunc

	mu        sync.Mutex
	consumers map[consumer]struct{}
	workers   sync.WaitGroup // of the connection's subscriptions
}

var _ driver.Bus = (*conn)(nil)

// consumer is what a connection has open.
type consumer interface {
	driver.Consumer
	cut() // stops at once and waits for nobody
}

var errClosed = fault.New(fault.Unavailable, driver.ReasonClosed, "the connection to the bus was closed by this side")

// Request implements driver.Bus.
func (c *conn) Request(ctx context.Context, instance string, m *driver.Message) (*driver.Message, error) {
	m, outage, err := c.ready(ctx, m)
	if err != nil {
		return nil, err
	}
	call := &call{make(chan *driver.Message, 1)}
	if err := c.send(instance, m, call); err != nil {
		return nil, err
	}
	select {
	case reply := <-call.answer:
		return reply, nil
	case <-ctx.Done():
		return nil, givenUp(ctx)
	case <-c.ctx.Done():
		if c.severed() {
			return nil, errLost()
		}
		return nil, context.Cause(c.ctx)
	case <-outage:
		return nil, errLost()
	}
}

func errLost() error {
	return fault.New(fault.Unavailable, driver.ReasonLost,
		"the connection to the bus broke while the answer was awaited: the request may have been handled")
}

// ready waits for the engine and returns m with the budget that is left then.
func (c *conn) ready(ctx context.Context, m *driver.Message) (*driver.Message, <-chan struct{}, error) {
	up, outage := c.engine.power.now()
	if isClosed(up) && c.ctx.Err() == nil {
		return m, outage, nil
	}
	if err := c.awaitPower(ctx); err != nil {
		return nil, nil, err
	}
	_, outage = c.engine.power.now()
	deadline, ok := ctx.Deadline()
	if ok {
		m = clone(m)
		m.Header.Set(driver.HeaderBudget, strconv.FormatInt(max(time.Until(deadline).Milliseconds(), 1), 10))
	}
	return m, outage, nil
}

// awaitPower returns when the engine runs, within ctx and patience.
func (c *conn) awaitPower(ctx context.Context) error {
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	up, _ := c.engine.power.now()
	if isClosed(up) {
		return nil
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-up:
		return nil
	case <-ctx.Done():
	case <-timer.C:
	case <-c.ctx.Done():
		return context.Cause(c.ctx)
	}
	return errDown()
}

func errDown() error {
	return fault.New(fault.Unavailable, driver.ReasonDisconnected, "there is no connection to the bus; nothing was sent")
}

// send hands m to the queue of instance, or to the one that the routing rule
// chooses among those that are open.
func (c *conn) send(instance string, m *driver.Message, call *call) error {
	if instance != "" {
		if !c.engine.deliver(instance, m, call) {
			return driver.NoInstance(instance)
		}
		return nil
	}
	q := driver.Query{Header: m.Header, From: c.zone, Rand: rand.Uint64N}
	for {
		b, err := c.engine.table.Route(q)
		if err != nil {
			return err
		}
		if c.engine.deliver(b.Instance, m, call) {
			return nil
		}
		q.Tried = append(q.Tried, b.Instance)
	}
}

func givenUp(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fault.Wrap(ctx.Err(), fault.Timeout, driver.ReasonTimeout, "no reply came within the time budget")
	}
	return fault.From(ctx.Err())
}

// Check implements driver.Bus.
func (c *conn) Check(context.Context) error {
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	if up, _ := c.engine.power.now(); !isClosed(up) {
		return errDown()
	}
	return nil
}

// Close implements driver.Bus. It waits for event handlers, within ctx.
func (c *conn) Close(ctx context.Context) error {
	c.cancel(errClosed)
	for _, consumer := range c.openConsumers() {
		consumer.cut()
	}
	return wait(ctx, &c.workers, "event handlers are still running")
}

// wait returns when group is done, or with Timeout when ctx ends first.
func wait(ctx context.Context, group *sync.WaitGroup, otherwise string) error {
	done := make(chan struct{})
	go func() {
		group.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fault.Wrap(ctx.Err(), fault.Timeout, driver.ReasonDrain, otherwise)
	}
}

// open notes a consumer that has so many workers, so that it goes away with the connection.
func (c *conn) open(opened consumer, workers int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	if c.consumers == nil {
		c.consumers = map[consumer]struct{}{}
	}
	c.consumers[opened] = struct{}{}
	c.workers.Add(workers)
	return nil
}

func (c *conn) forget(consumer consumer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.consumers, consumer)
}

func (c *conn) openConsumers() []consumer {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]consumer, 0, len(c.consumers))
	for consumer := range c.consumers {
		all = append(all, consumer)
	}
	return all
}
