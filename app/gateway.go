package app

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/hansom-platform/hansom/coord"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/gateway"
	"github.com/hansom-platform/hansom/platform"
)

// newGateway makes the thin API.
func newGateway(ctx context.Context, a *App, opts []platform.Option) (*instance, error) {
	salt, err := a.salt(ctx)
	if err != nil {
		return nil, err
	}
	s := gateway.Service(opts...)
	g, err := gateway.New(s, gateway.Config{Listen: a.config.Listen, Salt: salt, Drain: a.config.Drain})
	if err != nil {
		return nil, err
	}
	ready := make(chan struct{})
	go func() {
		select {
		case <-g.Ready():
			a.note(func(admin *Admin) { admin.API = baseURL(g.Addr()) })
			close(ready)
		case <-ctx.Done():
		}
	}()
	return &instance{service: s, run: g.Run, ready: ready}, nil
}

// saltPath is where all gateways of a region find the salt of cohorts.
const saltPath = "/gateway/salt"

// salt returns the salt of cohorts, which the first gateway ever makes: it stays
// the same, so that a user stays with a version over restarts and gateways.
func (a *App) salt(ctx context.Context) ([]byte, error) {
	c, err := a.openCoord(ctx)
	if err != nil {
		return nil, err
	}
	defer closeCoord(ctx, c)
	fresh := make([]byte, 32)
	_, _ = rand.Read(fresh) // it never fails
	switch _, err := c.CompareAndSet(ctx, saltPath, fresh, 0); {
	case err == nil:
		return fresh, nil
	case fault.Is(err, fault.Conflict):
		return readSalt(ctx, c)
	default:
		return nil, fmt.Errorf("make the salt of cohorts: %w", err)
	}
}

func readSalt(ctx context.Context, c *coord.Coord) ([]byte, error) {
	node, err := c.Get(ctx, saltPath)
	if err != nil {
		return nil, fmt.Errorf("read the salt of cohorts: %w", err)
	}
	return node.Data, nil
}
