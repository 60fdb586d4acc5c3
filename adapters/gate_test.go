package adapters_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansom-platform/hansom/adapters"
)

var errDown = errors.New("nobody listens")

func TestGateSparesAServerThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := adapters.NewGate(time.Second)
		var dials atomic.Int64
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var callers sync.WaitGroup
		for range 100 {
			callers.Go(func() {
				for ctx.Err() == nil {
					err := gate.Connect(ctx, func(context.Context) error { dials.Add(1); return errDown })
					if err != nil && !errors.Is(err, errDown) && ctx.Err() == nil {
						t.Errorf("a closed gate said %v, want what failed", err)
					}
					pause(ctx, 10*time.Millisecond)
				}
			})
		}
		callers.Wait()
		// 100 callers try 100 times a second for 10 s: 100,000 attempts.
		if n := dials.Load(); n < 5 || n > 100 {
			t.Errorf("connected %d times to a server that was down for 10 s, want 5 to 100", n)
		}
	})
}

// pause waits for d on the test's clock.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func TestGateOpensWithinASecondOfRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := adapters.NewGate(time.Second)
		for range 1000 {
			_ = gate.Connect(t.Context(), func(context.Context) error { return errDown })
			pause(t.Context(), 10*time.Millisecond)
		}
		began := time.Now()
		for gate.Connect(t.Context(), func(context.Context) error { return nil }) != nil {
			pause(t.Context(), 10*time.Millisecond)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("connected %v after the recovery, want within 1 s", took)
		}
	})
}

func TestGateLimitsConnectingAtOnceAndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := adapters.NewGate(3 * time.Second)
		var now, most atomic.Int64
		began := time.Now()
		var callers sync.WaitGroup
		for range 20 {
			callers.Go(func() {
				_ = gate.Connect(t.Context(), func(ctx context.Context) error {
					most.Store(max(most.Load(), now.Add(1)))
					defer now.Add(-1)
					<-ctx.Done() // a server that says nothing
					return ctx.Err()
				})
			})
		}
		callers.Wait()
		if n := most.Load(); n > 4 {
			t.Errorf("%d connections were made at once, want at most 4", n)
		}
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("20 callers waited %v for a silent server, want the 3 s of one attempt", took)
		}
	})
}

func TestGateForgivesCallersThatGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := adapters.NewGate(time.Second)
		hasty, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		err := gate.Connect(hasty, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a caller with 1 ms got %v, want its deadline", err)
		}
		if err := gate.Connect(t.Context(), func(context.Context) error { return nil }); err != nil {
			t.Errorf("the caller after one that gave up was refused: %v", err)
		}
	})
}
