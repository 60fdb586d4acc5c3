package membus

import (
	"context"
	"sync"

	"github.com/hansom-platform/hansom/bus/driver"
)

// queue is the open queue of one instance.
type queue struct {
	conn     *conn
	instance string
	handle   driver.Handler

	mu     sync.RWMutex // read-held while a message is handed over
	closed bool
}

// Serve implements driver.Bus. A second queue of the same name takes over from
// the first, as when an instance comes back before its old connection is closed.
func (c *conn) Serve(ctx context.Context, instance string, h driver.Handler) (driver.Consumer, error) {
	if err := c.awaitPower(ctx); err != nil {
		return nil, err
	}
	q := &queue{conn: c, instance: instance, handle: h}
	if err := c.open(q, 0); err != nil {
		return nil, err
	}
	c.engine.queues.Store(instance, q)
	return q, nil
}

// deliver hands m to the queue named instance and reports whether there is one.
func (e *Engine) deliver(instance string, m *driver.Message, call *call) bool {
	v, ok := e.queues.Load(instance)
	return ok && v.(*queue).deliver(m, call)
}

func (q *queue) deliver(m *driver.Message, call *call) bool {
	q.mu.RLock()
	defer q.mu.RUnlock()
	if q.closed {
		return false
	}
	q.handle(clone(m), &replier{call: call, server: q.conn})
	return true
}

// Drain implements driver.Consumer. Messages are handed over as they are sent,
// so that none is left when the queue is closed.
func (q *queue) Drain(context.Context) error { return q.Close() }

// Close implements driver.Consumer.
func (q *queue) Close() error {
	q.cut()
	q.conn.forget(q)
	return nil
}

func (q *queue) cut() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.conn.engine.queues.CompareAndDelete(q.instance, q)
}

// Dropped implements driver.Consumer.
func (q *queue) Dropped() int { return 0 }

// call is a request under way.
type call struct{ answer chan *driver.Message } // room for one

// replier answers a call for one connection.
type replier struct {
	call   *call
	server *conn
}

// Reply implements driver.Replier.
func (r *replier) Reply(m *driver.Message) error {
	if err := r.server.Check(context.Background()); err != nil {
		return err
	}
	select {
	case r.call.answer <- clone(m):
	default: // it has been answered
	}
	return nil
}
