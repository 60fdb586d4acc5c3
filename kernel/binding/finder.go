package binding

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
)

// finder knows the discovery instances of the region, latest heard of first.
type finder struct {
	svc    *platform.Service
	client *discoverypb.DiscoveryClient

	mu     sync.Mutex
	heard  []string
	filled chan struct{} // closed when there is at least one
}

// maxHeard bounds the list: discovery instances that are gone fall off its end.
const maxHeard = 16

func newFinder(svc *platform.Service) *finder {
	return &finder{svc: svc, client: discoverypb.NewDiscoveryClient(svc), filled: make(chan struct{})}
}

// found takes in that a discovery instance is alive, and reports whether it is a new one.
func (f *finder) found(id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	known := slices.Contains(f.heard, id)
	f.heard = slices.DeleteFunc(f.heard, func(other string) bool { return other == id })
	f.heard = slices.Insert(f.heard, 0, id)
	f.heard = f.heard[:min(len(f.heard), maxHeard)]
	select {
	case <-f.filled:
	default:
		close(f.filled)
	}
	return !known
}

// forget drops one that is gone.
func (f *finder) forget(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.heard = slices.DeleteFunc(f.heard, func(other string) bool { return other == id })
}

func (f *finder) all() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.heard)
}

// search asks for discovery until it has been heard of once.
func (f *finder) search(ctx context.Context) error {
	const shortest = 50 * time.Millisecond
	for pause := shortest; ; pause = min(2*pause, time.Second) {
		if err := f.ask(ctx); err != nil && ctx.Err() == nil {
			f.svc.Logger().DebugContext(ctx, "cannot ask for discovery", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-f.filled:
			return nil
		case <-time.After(pause):
		}
	}
}

func (f *finder) ask(ctx context.Context) error {
	return f.svc.PublishEvent(ctx, "discovery.who", &discoverypb.Who{From: f.svc.ID()})
}

// each calls a discovery instance directly, the next where one cannot be
// reached, and asks who is there should none be left.
func (f *finder) each(ctx context.Context, call func(ctx context.Context, c *discoverypb.DiscoveryClient) error) error {
	var last error = fault.New(fault.Unavailable, "kernel.binding.no_discovery",
		"no instance of kernel.discovery has been heard of; check that it runs in this region and on this bus")
	for _, id := range f.all() {
		err := call(platform.To(ctx, id), f.client)
		if err == nil {
			return nil
		}
		last = err
		if fault.Is(err, fault.NoRoute) {
			f.forget(id)
		} else if fault.From(err).Code == fault.BadRequest {
			return err
		}
	}
	if err := f.ask(ctx); err != nil {
		return err
	}
	return last
}

// instances returns the whole list.
func (f *finder) instances(ctx context.Context) ([]*discoverypb.Instance, error) {
	var all []*discoverypb.Instance
	err := f.each(ctx, func(ctx context.Context, c *discoverypb.DiscoveryClient) error {
		response, err := c.Instances(ctx, &discoverypb.InstancesRequest{})
		if err != nil {
			return err
		}
		for _, r := range response.GetRegistrations() {
			all = append(all, r.GetInstance())
		}
		return nil
	})
	return all, err
}

// registry registers this instance with discovery directly: what is bound depends
// on this very instance.
type registry struct{ b *binding }

func (r registry) Register(ctx context.Context, i *discoverypb.Instance) error {
	if asked := platform.Addressee(ctx); asked != "" {
		r.b.discovery.found(asked)
	}
	select {
	case <-r.b.discovery.filled:
	case <-ctx.Done():
	}
	return r.b.discovery.each(ctx, func(ctx context.Context, c *discoverypb.DiscoveryClient) error {
		_, err := c.Register(ctx, &discoverypb.RegisterRequest{Instance: i})
		return err
	})
}

func (r registry) Deregister(ctx context.Context, instance string) error {
	return r.b.discovery.each(ctx, func(ctx context.Context, c *discoverypb.DiscoveryClient) error {
		_, err := c.Deregister(ctx, &discoverypb.DeregisterRequest{Instance: instance})
		return err
	})
}
