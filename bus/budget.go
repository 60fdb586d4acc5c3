package bus

import (
	"context"
	"sync"
	"time"
)

// budgetContext is the context of one request on the serving side. It costs one
// allocation: most handlers finish long before anybody asks for Done, and only
// then is a timer set. It behaves as context.WithDeadline(parent, deadline) does.
type budgetContext struct {
	parent   context.Context
	deadline time.Time

	mu     sync.Mutex
	armed  context.Context // set by the first Done
	cancel context.CancelFunc
	err    error // set by finish where nothing was armed
}

// Deadline implements context.Context.
func (c *budgetContext) Deadline() (time.Time, bool) { return c.deadline, true }

// Done implements context.Context.
func (c *budgetContext) Done() <-chan struct{} { return c.arm().Done() }

func (c *budgetContext) arm() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.armed == nil {
		c.armed, c.cancel = context.WithDeadline(c.parent, c.deadline)
		if c.err != nil {
			c.cancel()
		}
	}
	return c.armed
}

// Err implements context.Context.
func (c *budgetContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
		return c.err
	case c.armed != nil:
		return c.armed.Err()
	case c.parent.Err() != nil:
		return c.parent.Err()
	case !time.Now().Before(c.deadline):
		return context.DeadlineExceeded
	}
	return nil
}

// Value implements context.Context. Once armed it answers package context's own
// keys too, so that contexts derived from it need no goroutine.
func (c *budgetContext) Value(key any) any {
	c.mu.Lock()
	armed := c.armed
	c.mu.Unlock()
	if armed != nil {
		return armed.Value(key)
	}
	return c.parent.Value(key)
}

// finish ends the context: the handler has returned.
func (c *budgetContext) finish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.armed != nil {
		c.cancel()
		return
	}
	switch {
	case c.parent.Err() != nil:
		c.err = c.parent.Err()
	case !time.Now().Before(c.deadline):
		c.err = context.DeadlineExceeded
	default:
		c.err = context.Canceled
	}
}
