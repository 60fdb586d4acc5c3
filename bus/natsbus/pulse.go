package natsbus

import "time"

// caughtUp bounds the wait for what was read and not handed over. Handlers do not
// block, so that a queue that still holds something after that is filled anew.
const caughtUp = 200 * time.Millisecond

// keepPulse beats until the connection is closed.
func (c *conn) keepPulse() {
	c.pulse.Keep(c.ctx, func(stood time.Duration) {
		c.log.Warn("this process stood still; requests that waited meanwhile may be dropped", "name", c.config.Name, "for", stood)
		c.catchUp()
	})
}

// catchUp returns when all that the server had sent is handed over.
func (c *conn) catchUp() {
	_ = c.flush(c.ctx) // fails where the connection was lost, and what waited in it
	deadline := time.NewTimer(caughtUp)
	defer deadline.Stop()
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for c.backlog() > 0 {
		select {
		case <-poll.C:
		case <-deadline.C:
			return
		case <-c.ctx.Done():
			return
		}
	}
}

// backlog counts the requests that were read and are not handed over yet.
func (c *conn) backlog() (n int) {
	for _, consumer := range c.openConsumers() {
		if s, ok := consumer.(*subscription); ok && s.sub.Queue != "" {
			waiting, _, _ := s.sub.Pending() // an error means that it is closed
			n += max(waiting, 0)
		}
	}
	return n
}
