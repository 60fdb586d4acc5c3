package platform

import (
	"context"
	"time"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/proto/rpc"
)

const (
	maxAttempts    = 3
	unknownTimeout = 2 * time.Second // of an attempt where no upper-95 time is declared
	minTimeout     = 10 * time.Millisecond
	maxTimeout     = 60 * time.Second
)

// limits is what a call's timeouts derive from.
type limits struct {
	idempotent bool
	upper95    time.Duration // 0: unknown
}

func limitsOf(e *rpc.Endpoint) limits {
	return limits{idempotent: e.Idempotent, upper95: e.Upper95}
}

// timeout is what one attempt may take, the budget aside.
func (l limits) timeout(attempt int) time.Duration {
	if l.upper95 <= 0 {
		return unknownTimeout
	}
	return min(max(l.upper95*2*time.Duration(attempt), minTimeout), maxTimeout)
}

// budget is what a call may take whose context has no deadline.
func (l limits) budget() time.Duration {
	if !l.idempotent {
		return bus.DefaultBudget
	}
	var sum time.Duration
	for attempt := 1; attempt <= maxAttempts; attempt++ {
		sum += l.timeout(attempt)
	}
	return sum
}

// deadline is when a call that begins now must be answered.
func (l limits) deadline(ctx context.Context, now time.Time) time.Time {
	if d, ok := ctx.Deadline(); ok {
		return d
	}
	return now.Add(l.budget())
}

// attemptContext bounds one attempt by its own timeout and the call's deadline. It
// makes a new context only where ctx does not end soon enough by itself.
func (l limits) attemptContext(ctx context.Context, attempt int, now, deadline time.Time) (context.Context, context.CancelFunc) {
	end := deadline
	if l.idempotent {
		if t := now.Add(l.timeout(attempt)); t.Before(end) {
			end = t
		}
	}
	if d, ok := ctx.Deadline(); ok && !end.Before(d) {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, end)
}
