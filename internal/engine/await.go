package engine

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrEnded says that the process ended that something was awaited of.
var ErrEnded = errors.New("the process ended")

// Await tries until try succeeds. When ctx ends it returns why, with try's last error; when ended is closed, ErrEnded. ended
// may be nil.
func Await(ctx context.Context, ended <-chan struct{}, try func(context.Context) error) error {
	const between = 50 * time.Millisecond
	again := time.NewTicker(between)
	defer again.Stop()
	for {
		last := try(ctx)
		if last == nil {
			return nil
		}
		select {
		case <-ended:
			return ErrEnded
		case <-ctx.Done():
			return fmt.Errorf("%w (at last: %w)", context.Cause(ctx), last)
		case <-again.C:
		}
	}
}
