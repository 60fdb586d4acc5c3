package sim

import (
	"context"
	"math/rand/v2"
	"time"
)

// Bounds of the pause after a failure. It doubles with each, and half of it is
// random, so that a fleet does not come back all at once.
const (
	firstPause = 500 * time.Millisecond
	maxPause   = 30 * time.Second
)

type backoff struct {
	rand  *rand.Rand
	pause time.Duration
}

func newBackoff(seed uint64) *backoff {
	return &backoff{rand.New(rand.NewPCG(seed, 0x6261636b)), firstPause}
}

func (b *backoff) reset() { b.pause = firstPause }

// sleep waits out the pause, which is then longer, or until ctx ends.
func (b *backoff) sleep(ctx context.Context) {
	pause := b.pause/2 + time.Duration(b.rand.Int64N(int64(b.pause/2)))
	b.pause = min(2*b.pause, maxPause)
	sleep(ctx, pause)
}

// jitter returns d give or take a tenth.
func (b *backoff) jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*b.rand.Float64()))
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
