package platform

import (
	"context"
	"sync"
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
// whatever fails, and returns each one's error in its place.
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
	for range limit {
		wg.Go(func() {
			for i := range next {
				errs[i] = calls[i](ctx)
			}
		})
	}
	wg.Wait()
	return errs
}
