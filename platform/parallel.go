package platform

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// Parallel runs calls, at most limit at once (0 or less: all at once), and waits
// for them. The first error cancels the others' context and is returned.
func Parallel(ctx context.Context, limit int, calls ...func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		once  sync.Once
		first error
	)
	ParallelAll(ctx, limit, each(calls, func(ctx context.Context, call func(context.Context) error) error {
		if ctx.Err() == nil {
			if err := call(ctx); err != nil {
				once.Do(func() { first = err; cancel() })
			}
		}
		return nil
	})...)
	if first == nil {
		return context.Cause(ctx)
	}
	return first
}

func each(calls []func(context.Context) error, f func(context.Context, func(context.Context) error) error) []func(context.Context) error {
	wrapped := make([]func(context.Context) error, len(calls))
	for i, call := range calls {
		wrapped[i] = func(ctx context.Context) error { return f(ctx, call) }
	}
	return wrapped
}

// ParallelAll runs all calls, at most limit at once (0 or less: all at once),
// whatever fails, and returns each one's error in its place. A call that panics
// has ParallelAll panic once the others are done: in a handler that ends one
// request and not the process. Parallel does the same.
func ParallelAll(ctx context.Context, limit int, calls ...func(ctx context.Context) error) []error {
	if limit <= 0 || limit > len(calls) {
		limit = len(calls)
	}
	errs := make([]error, len(calls))
	next := make(chan int, len(calls))
	for i := range calls {
		next <- i
	}
	close(next)
	var wg sync.WaitGroup
	var broken atomic.Pointer[parallelPanic]
	for range limit {
		wg.Go(func() {
			for i := range next {
				errs[i] = guarded(ctx, calls[i], &broken)
			}
		})
	}
	wg.Wait()
	if p := broken.Load(); p != nil {
		panic(p)
	}
	return errs
}

// parallelPanic is a panic of a call, with the stack that it had.
type parallelPanic struct {
	value any
	stack []byte
}

// String is what the runtime prints where nobody recovers.
func (p *parallelPanic) String() string { return fmt.Sprintf("%v\n\n%s", p.value, p.stack) }

func guarded(ctx context.Context, call func(context.Context) error, broken *atomic.Pointer[parallelPanic]) error {
	defer func() {
		if p := recover(); p != nil {
			inner, ok := p.(*parallelPanic)
			if !ok {
				inner = &parallelPanic{p, debug.Stack()}
			}
			broken.CompareAndSwap(nil, inner)
		}
	}()
	return call(ctx)
}
