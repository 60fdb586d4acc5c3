package bus

import (
	"context"

	"github.com/hansom-platform/hansom/bus/driver"
)

// Answer tells callers why the engine could not route their requests, until ctx
// ends. Several may run in a zone. With an engine that answers by itself, it only
// waits. See driver.Keeper.
func (b *Bus) Answer(ctx context.Context) error {
	if k, ok := b.driver.(driver.Keeper); ok {
		return k.Answer(ctx)
	}
	<-ctx.Done()
	return nil
}

// Join keeps this connection's zone joined to the region's other zones, until ctx
// ends. One runs per zone. With an engine that spans the region, it only waits.
func (b *Bus) Join(ctx context.Context) error {
	if k, ok := b.driver.(driver.Keeper); ok {
		return k.Join(ctx)
	}
	<-ctx.Done()
	return nil
}
