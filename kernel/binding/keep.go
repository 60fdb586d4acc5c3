package binding

import (
	"context"
	"time"
)

// keepRetry is how long what the engine needs pauses after a failure.
const keepRetry = time.Second

// answer tells callers why the engine could not route their requests.
func (b *binding) answer(ctx context.Context) error {
	b.keep(ctx, "callers of what cannot be routed get no explanation", b.svc.Bus().Answer)
	return nil
}

// join keeps the zone joined to the region's other zones, for one term.
func (b *binding) join(ctx context.Context) {
	b.keep(ctx, "the zone is not joined to the others", b.svc.Bus().Join)
}

// keep runs f until ctx ends, again after every failure.
func (b *binding) keep(ctx context.Context, without string, f func(context.Context) error) {
	for ctx.Err() == nil {
		if err := f(ctx); err != nil && ctx.Err() == nil {
			b.log.WarnContext(ctx, without+"; trying again", "error", err)
		}
		if !pause(ctx, keepRetry) {
			return
		}
	}
}
