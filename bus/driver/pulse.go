package driver

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	beat = 200 * time.Millisecond
	// Standstill is how long a process does not run at all before a Pulse notices. Nothing short of
	// being stopped delays a beat for that long.
	Standstill = time.Second
)

// A Pulse notices, for drivers, that the process stood still: it was stopped by a
// signal, or its machine was paused. When it goes on, it finds requests that waited
// for it unseen, some of them for longer than their budget. Nobody can tell for how
// long each of them did without comparing clocks; so the whole standstill is taken off
// the budgets of all requests that the engine had sent by the time the process went
// on, and of none that came later. Make one with NewPulse.
type Pulse struct {
	start time.Time
	last  atomic.Int64 // when the last beat was, since start
	late  atomic.Int64 // how old requests that are handed over now may be, until the backlog is worked off
}

// NewPulse returns a pulse that must be kept at once: see Keep.
func NewPulse() *Pulse { return &Pulse{start: time.Now()} }

// beat notes that the process runs and returns how long it did not, or 0.
func (p *Pulse) beat() time.Duration {
	stood := p.stood()
	if stood > 0 {
		p.late.Store(int64(stood))
	}
	p.last.Store(int64(time.Since(p.start)))
	return stood
}

func (p *Pulse) stood() time.Duration {
	gap := time.Since(p.start) - time.Duration(p.last.Load())
	if gap < Standstill {
		return 0
	}
	return gap
}

// Age takes off m's budget how long m may have waited unseen. Package bus drops what
// has none left.
func (p *Pulse) Age(m *Message) {
	age := max(p.stood(), time.Duration(p.late.Load()))
	if age == 0 {
		return
	}
	budget, err := strconv.ParseInt(m.Header.Get(HeaderBudget), 10, 64)
	if err == nil {
		m.Header.Set(HeaderBudget, strconv.FormatInt(budget-age.Milliseconds(), 10))
	}
}

// Keep beats until ctx ends. After each standstill it calls catchUp, with how long that was; catchUp
// returns when all that the engine had sent is handed over, or when ctx ends.
func (p *Pulse) Keep(ctx context.Context, catchUp func(stood time.Duration)) {
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	var caughtUp chan struct{}
	for {
		select {
		case <-ticker.C:
			if stood := p.beat(); stood > 0 {
				done := make(chan struct{})
				caughtUp = done
				go func() {
					defer close(done)
					catchUp(stood)
				}()
			}
		case <-caughtUp:
			p.late.Store(0)
			caughtUp = nil
		case <-ctx.Done():
			return
		}
	}
}
