package bus

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestBudgetContext compares a budgetContext with what package context makes of
// the same parent and deadline.
func TestBudgetContext(t *testing.T) {
	for name, happen := range happenings() {
		for _, armed := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", armed", false: ""}[armed], func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					want := outcome(armed, happen, func(parent context.Context, d time.Time) (context.Context, func()) {
						ctx, cancel := context.WithDeadline(parent, d)
						return ctx, cancel
					})
					got := outcome(armed, happen, func(parent context.Context, d time.Time) (context.Context, func()) {
						c := &budgetContext{parent: parent, deadline: d}
						return c, c.finish
					})
					if got != want {
						t.Errorf("got %+v; want %+v", got, want)
					}
				})
			})
		}
	}
}

// happenings are what may befall a context whose deadline is in a second.
func happenings() map[string]func(parent context.CancelFunc, finish func()) {
	return map[string]func(parent context.CancelFunc, finish func()){
		"nothing happens":       func(context.CancelFunc, func()) {},
		"the deadline passes":   func(context.CancelFunc, func()) { <-time.After(2 * time.Second) },
		"the parent ends":       func(cancel context.CancelFunc, _ func()) { cancel() },
		"the handler returns":   func(_ context.CancelFunc, finish func()) { finish() },
		"returns after the end": func(_ context.CancelFunc, finish func()) { <-time.After(2 * time.Second); finish() },
		"parent, then returns":  func(cancel context.CancelFunc, finish func()) { cancel(); finish() },
	}
}

type ending struct {
	err, late error // from Err at once, and after Done was asked for
	done      bool
	child     error // of a context derived from it
	value     any
}

type keyType struct{}

func outcome(armed bool, happen func(context.CancelFunc, func()), newContext func(context.Context, time.Time) (context.Context, func())) ending {
	parent, cancel := context.WithCancel(context.WithValue(context.Background(), keyType{}, "value"))
	defer cancel()
	ctx, finish := newContext(parent, time.Now().Add(time.Second))
	defer finish()
	if armed {
		ctx.Done()
	}
	happen(cancel, finish)
	synctest.Wait()
	e := ending{err: ctx.Err(), value: ctx.Value(keyType{})}
	child, stop := context.WithCancel(ctx)
	defer stop()
	synctest.Wait()
	select {
	case <-ctx.Done():
		e.done = true
	default:
	}
	e.late, e.child = ctx.Err(), child.Err()
	return e
}

func TestBudgetContextWakesWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &budgetContext{parent: context.Background(), deadline: time.Now().Add(time.Second)}
		defer c.finish()
		start := time.Now()
		<-c.Done()
		if took := time.Since(start); took != time.Second || !errors.Is(c.Err(), context.DeadlineExceeded) {
			t.Errorf("Done after %v with %v; want after 1s with %v", took, c.Err(), context.DeadlineExceeded)
		}
	})
}
