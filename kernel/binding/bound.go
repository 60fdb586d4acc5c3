package binding

import (
	"cmp"
	"context"
	"slices"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	bindingpb "github.com/hansom-platform/hansom/proto/kernel/binding"
)

// Bindings implements bindingpb.BindingServer.
func (b *binding) Bindings(ctx context.Context, r *bindingpb.BindingsRequest) (*bindingpb.BindingsResponse, error) {
	response := &bindingpb.BindingsResponse{Drifted: b.drifted.Load()}
	actual, err := b.svc.Bus().Bindings(ctx, b.zone())
	if err != nil {
		return nil, err
	}
	want, _, ok := b.desired(b.zone())
	if !ok {
		want = actual
	}
	for _, s := range compare(want, actual) {
		if r.GetService() == "" || s.Service == r.GetService() {
			response.Bindings = append(response.Bindings, s.message())
		}
	}
	if !r.GetHere() {
		there, silent := b.elsewhere(ctx, r.GetService())
		response.Bindings, response.Silent = append(response.Bindings, there...), silent
	}
	slices.SortStableFunc(response.Bindings, func(x, y *bindingpb.Bound) int {
		return cmp.Or(cmp.Compare(x.GetService(), y.GetService()), cmp.Compare(x.GetRegion(), y.GetRegion()),
			cmp.Compare(x.GetZone(), y.GetZone()))
	})
	leader, _, err := b.coord.Leader(ctx, b.election())
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	response.Leader = leader
	return response, nil
}

func (s stated) message() *bindingpb.Bound {
	return &bindingpb.Bound{
		Service: s.Service, Instance: s.Instance, Version: s.Version, Region: s.Region, Zone: s.Zone,
		Match: s.Match, Weight: s.Weight, Salt: s.Salt, State: s.state,
	}
}

// bound returns those of the messages that are on the bus.
func bound(messages []*bindingpb.Bound) []bus.Binding {
	var all []bus.Binding
	for _, m := range messages {
		if m.GetState() != stateMissing {
			all = append(all, bus.Binding{
				Service: m.GetService(), Instance: m.GetInstance(), Version: m.GetVersion(), Region: m.GetRegion(), Zone: m.GetZone(),
				Match: m.GetMatch(), Weight: m.GetWeight(), Salt: m.GetSalt(),
			})
		}
	}
	return all
}

// IsBound implements bindingpb.BindingServer.
func (b *binding) IsBound(ctx context.Context, r *bindingpb.IsBoundRequest) (*bindingpb.IsBoundResponse, error) {
	if at := (bus.Zone{Region: r.GetRegion(), Zone: r.GetZone()}); at != b.zone() {
		return nil, fault.New(fault.NotFound, "kernel.binding.isbound.zone",
			"no kernel.binding of %s can be reached, and that of %s does not know what is bound there", at, b.zone())
	}
	bound, err := b.reading.instances(ctx)
	if err != nil {
		return nil, err
	}
	return &bindingpb.IsBoundResponse{Bound: bound[r.GetInstance()]}, nil
}
