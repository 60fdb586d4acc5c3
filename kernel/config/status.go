package config

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/kernel/config/history"
	"github.com/hansom-platform/hansom/platform"
	hansompb "github.com/hansom-platform/hansom/proto/hansom"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
)

const (
	askedAtOnce = 64
	askTimeout  = time.Second
)

// Status implements configpb.ConfigServer. It asks the instances of this region.
func (s *server) Status(ctx context.Context, r *configpb.StatusRequest) (*configpb.StatusResponse, error) {
	state, err := s.stateFor(ctx, callerOf(ctx), 0)
	if err != nil {
		return nil, err
	}
	listed, err := discoverypb.NewDiscoveryClient(s.svc).Instances(ctx, &discoverypb.InstancesRequest{Service: r.GetService()})
	if err != nil {
		return nil, err
	}
	all := make([]*configpb.InstanceStatus, len(listed.GetRegistrations()))
	calls := make([]func(context.Context) error, len(all))
	for i, registration := range listed.GetRegistrations() {
		calls[i] = func(ctx context.Context) error {
			all[i] = s.ask(ctx, state, registration.GetInstance())
			return nil
		}
	}
	if err := platform.Parallel(ctx, askedAtOnce, calls...); err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b *configpb.InstanceStatus) int { return cmp.Compare(a.GetInstance(), b.GetInstance()) })
	return &configpb.StatusResponse{Revision: state.Revision, Instances: all}, nil
}

// ask asks an instance which revision it runs.
func (s *server) ask(ctx context.Context, state *history.State, i *discoverypb.Instance) *configpb.InstanceStatus {
	ctx, cancel := context.WithTimeout(platform.To(ctx, i.GetId()), askTimeout)
	defer cancel()
	status := &configpb.InstanceStatus{Instance: i.GetId(), Service: i.GetService()}
	answer := new(hansompb.ConfigResponse)
	if err := s.svc.Call(ctx, platform.Builtin(i.GetService(), platform.EndpointConfig), &hansompb.ConfigRequest{}, answer); err != nil {
		status.Stale, status.Problem = true, "it does not say: "+fault.From(err).Message
		return status
	}
	status.Revision, status.Source, status.Problem = answer.GetRevision(), answer.GetSource(), answer.GetProblem()
	if wanted := s.touched(state, i); status.GetRevision() < wanted {
		status.Stale = true
		status.Problem = cmp.Or(status.GetProblem(), "it has not taken over the newest revision of its layers yet")
	}
	return status
}

// touched returns the newest revision that changed what an instance is configured with.
func (s *server) touched(state *history.State, i *discoverypb.Instance) uint64 {
	ids, err := s.layers(&configpb.Layers{Service: i.GetService(), Region: i.GetRegion()})
	if err != nil {
		return 0
	}
	var newest uint64
	for _, id := range ids {
		if d := state.Get(id); d != nil {
			newest = max(newest, d.Revision)
		}
	}
	return newest
}
