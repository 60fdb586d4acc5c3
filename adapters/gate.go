package adapters

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Limits of making connections to one server.
const (
	maxDials     = 4 // at once
	firstPause   = 50 * time.Millisecond
	longestPause = time.Second
)

// Gate keeps a client from storming a server that is down or just coming up: few
// connections are made at once, and after one failed the next attempt waits, twice
// as long after each failure up to a second. Until then the last error is the answer.
type Gate struct {
	limit  time.Duration
	places chan struct{}

	mu     sync.Mutex
	pause  time.Duration
	until  time.Time
	failed error
}

// NewGate returns a Gate whose attempts may take the limit each.
func NewGate(limit time.Duration) *Gate {
	return &Gate{limit: limit, places: make(chan struct{}, maxDials)}
}

// Connect calls dial when its turn comes. An attempt that the caller's own context
// cut short says nothing about the server and does not count as failed.
func (g *Gate) Connect(ctx context.Context, dial func(ctx context.Context) error) error {
	select {
	case g.places <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-g.places }()
	if err := g.closed(time.Now()); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, g.limit)
	defer cancel()
	err := dial(limited)
	if err == nil || ctx.Err() == nil {
		g.note(err)
	}
	return err
}

func (g *Gate) closed(now time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failed == nil || !now.Before(g.until) {
		return nil
	}
	return fmt.Errorf("connecting failed a moment ago: %w", g.failed)
}

func (g *Gate) note(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failed = err
	if err == nil {
		g.pause = 0
		return
	}
	g.pause = min(max(2*g.pause, firstPause), longestPause)
	// Spread, so that a hundred instances do not come back in step.
	g.until = time.Now().Add(g.pause/2 + rand.N(g.pause/2))
}
