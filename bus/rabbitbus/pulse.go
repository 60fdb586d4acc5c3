package rabbitbus

import (
	"context"
	"time"
)

// keepPulse beats until the connection is closed.
func (c *conn) keepPulse() {
	c.pulse.Keep(c.ctx, func(stood time.Duration) {
		c.log.Warn("this process stood still; requests that waited meanwhile may be dropped", "name", c.config.Name, "for", stood)
		c.workOff()
	})
}

// workOff returns when all requests that had come to the broker are handed over, or after callTimeout: a queue that is
// being drained may be gone.
func (c *conn) workOff() {
	ctx, cancel := context.WithTimeout(c.ctx, callTimeout)
	defer cancel()
	for _, consumer := range c.openConsumers() {
		if s, ok := consumer.(*server); ok {
			_ = s.mark(ctx, s.current().session) // fails where the connection was lost, and what waited in it
		}
	}
}
