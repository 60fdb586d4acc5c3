package rabbitbus

import "time"

// keepPulse beats until the connection is closed.
func (c *conn) keepPulse() {
	c.pulse.Keep(c.ctx, func(stood time.Duration) {
		c.log.Warn("this process stood still; requests that waited meanwhile may be dropped", "name", c.config.Name, "for", stood)
		c.workOff()
	})
}

// workOff returns when all requests that had come to the broker are handed over.
func (c *conn) workOff() {
	for _, consumer := range c.openConsumers() {
		if s, ok := consumer.(*server); ok {
			_ = s.mark(c.ctx, s.current().session) // fails where the connection was lost, and what waited in it
		}
	}
}
