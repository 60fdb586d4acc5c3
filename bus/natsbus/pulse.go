package natsbus

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/hansom-platform/hansom/bus/driver"
)

const (
	beat = 200 * time.Millisecond
	// standstill is how far apart beats are when the process did not run at all. Nothing
	// short of being stopped delays a beat for that long.
	standstill = time.Second
)

// pulse notices that the process stood still: it was stopped by a signal, or its
// machine was paused. When it goes on, it finds requests that waited for it unseen,
// some of them for longer than their budget. Nobody can tell for how long each of
// them did without comparing clocks; so the whole standstill is taken off the budgets
// of all requests that the server had sent by the time the process went on, and of
// none that came later.
type pulse struct {
	start time.Time
	last  atomic.Int64 // when the last beat was, since start
	late  atomic.Int64 // how old requests that are handed over now may be, until the backlog is worked off
}

func newPulse() *pulse { return &pulse{start: time.Now()} }

// beat notes that the process runs and returns how long it did not, or 0.
func (p *pulse) beat() time.Duration {
	stood := p.stood()
	if stood > 0 {
		p.late.Store(int64(stood))
	}
	p.last.Store(int64(time.Since(p.start)))
	return stood
}

func (p *pulse) stood() time.Duration {
	gap := time.Since(p.start) - time.Duration(p.last.Load())
	if gap < standstill {
		return 0
	}
	return gap
}

// age takes off m's budget how long m may have waited unseen. Package bus drops what
// has none left.
func (p *pulse) age(m *driver.Message) {
	age := max(p.stood(), time.Duration(p.late.Load()))
	if age == 0 {
		return
	}
	budget, err := strconv.ParseInt(m.Header.Get(driver.HeaderBudget), 10, 64)
	if err == nil {
		m.Header.Set(driver.HeaderBudget, strconv.FormatInt(budget-age.Milliseconds(), 10))
	}
}

// keepPulse beats until the connection is closed.
func (c *conn) keepPulse() {
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	var caughtUp chan struct{}
	for {
		select {
		case <-ticker.C:
			if stood := c.pulse.beat(); stood > 0 {
				c.log.Warn("this process stood still; requests that waited meanwhile may be dropped", "name", c.config.Name, "for", stood)
				done := make(chan struct{})
				caughtUp = done
				c.tasks.Go(func() {
					defer close(done)
					c.catchUp()
				})
			}
		case <-caughtUp:
			c.pulse.late.Store(0)
			caughtUp = nil
		case <-c.ctx.Done():
			return
		}
	}
}

// catchUp returns when all that the server had sent is handed over. Handlers do
// not block, so that a queue that still holds something after a beat is filled anew.
func (c *conn) catchUp() {
	_ = c.flush(c.ctx) // fails where the connection was lost, and what waited in it
	deadline := time.NewTimer(beat)
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
