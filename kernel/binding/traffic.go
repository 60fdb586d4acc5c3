package binding

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	bindingpb "github.com/hansom-platform/hansom/proto/kernel/binding"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
)

// Traffic implements bindingpb.BindingServer. It speaks of requests that come
// from this zone: they go to instances of this zone, and to those of others
// only where it has none.
func (b *binding) Traffic(ctx context.Context, r *bindingpb.TrafficRequest) (*bindingpb.TrafficResponse, error) {
	bound, silent, err := b.boundBase(ctx)
	if err != nil {
		return nil, err
	}
	current, _ := b.splits.all()
	services := map[string]bool{}
	for service := range bound {
		services[service] = true
	}
	for service := range current {
		services[service] = true
	}
	if r.GetService() != "" {
		if !services[r.GetService()] {
			return nil, fault.New(fault.NotFound, "kernel.binding.traffic.service",
				"no instance of %s is bound in region %s and there is no split for it%s", r.GetService(), b.zone().Region, without(silent))
		}
		services = map[string]bool{r.GetService(): true}
	}
	names := slices.Sorted(maps.Keys(services))
	measured := b.measure(ctx, names, bound)
	response := &bindingpb.TrafficResponse{Silent: silent}
	for _, service := range names {
		t := traffic(bound[service], measured, current[service])
		t.Service, t.Zone = service, b.zone().String()
		response.Services = append(response.Services, t)
	}
	return response, nil
}

// boundBase returns, by service, the bindings without an overlay that requests
// from this zone are routed by, as far as zones are not silent.
func (b *binding) boundBase(ctx context.Context) (map[string][]bus.Binding, []*bindingpb.SilentZone, error) {
	here, err := b.svc.Bus().Bindings(ctx, b.zone())
	if err != nil {
		return nil, nil, err
	}
	near := base(here)
	there, silent := b.elsewhere(ctx, "")
	for service, bindings := range base(bound(there)) {
		if !anyWeight(near[service]) {
			near[service] = bindings
		}
	}
	return near, silent, nil
}

// base returns bindings without an overlay, by service.
func base(bindings []bus.Binding) map[string][]bus.Binding {
	byService := map[string][]bus.Binding{}
	for _, b := range bindings {
		if len(b.Match) == 0 {
			byService[b.Service] = append(byService[b.Service], b)
		}
	}
	return byService
}

func anyWeight(bindings []bus.Binding) bool {
	return slices.ContainsFunc(bindings, func(b bus.Binding) bool { return b.Weight > 0 })
}

// served is what one instance said that it served.
type served struct {
	requests uint64
	err      error
}

// measure asks all instances of the services, all at once, what they served.
func (b *binding) measure(ctx context.Context, services []string, bound map[string][]bus.Binding) map[string]served {
	var instances []*discoverypb.Instance
	for _, service := range services {
		instances = append(instances, instancesOf(bound[service])...)
	}
	requests := make([]uint64, len(instances))
	calls := make([]func(context.Context) error, len(instances))
	for k, i := range instances {
		calls[k] = func(ctx context.Context) error {
			s, err := b.stats(ctx, i, b.config.Stats)
			for _, e := range s.GetEndpoints() {
				requests[k] += e.GetRoutedLastMinute()
			}
			return err
		}
	}
	all := map[string]served{}
	for k, err := range platform.ParallelAll(ctx, maxCalls, calls...) {
		all[instances[k].GetId()] = served{requests[k], err}
	}
	return all
}

// traffic sets what the bindings of one service give each version against what it got.
func traffic(bound []bus.Binding, measured map[string]served, split *bindingpb.Split) *bindingpb.ServiceTraffic {
	t := &bindingpb.ServiceTraffic{Split: split}
	versions, weights, running := map[string]*bindingpb.VersionTraffic{}, map[string]uint64{}, map[string]uint64{}
	for _, b := range bound {
		v := versions[b.Version]
		if v == nil {
			v = &bindingpb.VersionTraffic{Version: b.Version}
			versions[b.Version] = v
		}
		v.Instances++
		running[b.Version]++
		weights[b.Version] += uint64(b.Weight)
		s := measured[b.Instance]
		v.RequestsLastMinute += s.requests
		if s.err != nil {
			t.Warnings = append(t.Warnings, fmt.Sprintf("instance %s did not say what it served: %s", b.Instance, fault.From(s.err).Message))
		}
	}
	for _, version := range slices.Sorted(maps.Keys(versions)) {
		t.Versions = append(t.Versions, versions[version])
	}
	shares(t.Versions, weights)
	if split != nil {
		t.Warnings = append(t.Warnings, splitWarnings(running, split)...)
	}
	return t
}

func splitWarnings(running map[string]uint64, split *bindingpb.Split) []string {
	if len(running) == 0 {
		return []string{"no instance is bound"}
	}
	_, warnings := versionWeights(running, split)
	return warnings
}

// shares fills in the shares, rounded to basis points.
func shares(versions []*bindingpb.VersionTraffic, weights map[string]uint64) {
	var requests uint64
	for _, v := range versions {
		requests += v.GetRequestsLastMinute()
	}
	for _, v := range versions {
		v.TargetBasisPoints = basisPoints(weights[v.GetVersion()], sum(weights))
		v.MeasuredBasisPoints = basisPoints(v.GetRequestsLastMinute(), requests)
	}
}

func basisPoints(part, total uint64) uint32 {
	if total == 0 {
		return 0
	}
	return uint32((part*whole + total/2) / total)
}
