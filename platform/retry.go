package platform

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform/auth"
)

// Reasons of the bus that decide what is done next (see package bus/driver).
const (
	reasonGone    = "bus.no_route.gone"
	reasonNoReply = "bus.timeout"
)

// retryBudget keeps a client's retries under a tenth of its calls: every call
// puts in a tenth of a token, every retry takes one. It starts with a small
// reserve, so that a quiet client can retry, and saves no more than maxTokens, so
// that a long good time does not pay for a storm.
type retryBudget struct{ tenths atomic.Int64 }

const (
	firstTokens = 10
	maxTokens   = 100
)

func (b *retryBudget) reset() { b.tenths.Store(firstTokens * 10) }

func (b *retryBudget) deposit() {
	if b.tenths.Load() < maxTokens*10 {
		b.tenths.Add(1)
	}
}

func (b *retryBudget) withdraw() bool {
	for {
		have := b.tenths.Load()
		if have < 10 {
			return false
		}
		if b.tenths.CompareAndSwap(have, have-10) {
			return true
		}
	}
}

// retryable reports whether another attempt may mend err: this side's timeout, a
// bus that could not be reached, instances that have just left, an instance that
// was full or does not know the keys of tokens yet. What a peer met further down it has retried itself.
func retryable(err *fault.Error) bool {
	if err.Reason == reasonShed || err.Reason == auth.ReasonNoKeys {
		return true
	}
	if err.Origin == fault.Peer {
		return false
	}
	switch err.Code {
	case fault.Timeout, fault.Unavailable:
		return true
	case fault.NoRoute:
		return err.Reason == reasonGone
	default:
		return false
	}
}

// retryPause is how long to wait before attempt n+1. After a timeout there was
// waiting enough.
func retryPause(err *fault.Error, n int) time.Duration {
	if err.Code == fault.Timeout {
		return 0
	}
	step := 10 * time.Millisecond * time.Duration(n)
	return step/2 + rand.N(step)
}

// again waits until the next attempt is due, and reports whether there is one.
func (c *Client) again(ctx context.Context, l limits, attempt int, err *fault.Error, deadline time.Time) bool {
	if !l.idempotent || attempt >= maxAttempts || !retryable(err) {
		return false
	}
	pause := retryPause(err, attempt)
	if ctx.Err() != nil || time.Until(deadline) < pause+minTimeout || !c.retries.withdraw() {
		return false
	}
	if pause == 0 {
		return true
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
