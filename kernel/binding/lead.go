package binding

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	hansompb "github.com/hansom-platform/hansom/proto/hansom"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
)

// heard takes in one event of discovery.
func (b *binding) heard(_ context.Context, e *platform.Event) error {
	switch e.Topic {
	case "discovery.alive":
		m := new(discoverypb.Alive)
		if err := unmarshal(e, m); err != nil {
			return err
		}
		if m.GetRegion() == b.zone().Region && b.discovery.found(m.GetInstance()) {
			b.suspect()
		}
	case "discovery.up", "discovery.down":
		m := new(discoverypb.InstanceEvent)
		if err := unmarshal(e, m); err != nil {
			return err
		}
		if e.Topic == "discovery.up" {
			b.picture.up(m.GetInstance())
		} else {
			b.picture.down(m.GetInstance().GetId())
		}
		if m.GetInstance().GetService() == discoveryName {
			b.suspect()
		}
	}
	return nil
}

// suspect has the list read soon: with a discovery instance that went, events
// may have gone.
func (b *binding) suspect() {
	select {
	case b.suspicion <- struct{}{}:
	default:
	}
}

func unmarshal(e *platform.Event, m proto.Message) error {
	if err := proto.Unmarshal(e.Message.Body, m); err != nil {
		return fault.Wrap(err, fault.BadRequest, "kernel.binding.event", "event %s cannot be read", e.Topic)
	}
	return nil
}

// keepUp asks discovery for the whole list, as soon as it is found and then at
// every audit. Every instance does so, that it can lead at once.
func (b *binding) keepUp(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-b.discovery.filled:
	}
	const quick = 200 * time.Millisecond
	for failing := false; ; {
		wait := b.config.Audit
		err := b.refresh(ctx)
		if err != nil && ctx.Err() == nil {
			wait = min(wait, quick)
			if !failing {
				b.log.WarnContext(ctx, "what runs cannot be learnt from discovery; going on with what is known", "error", err)
			}
		}
		if failing = err != nil; failing {
			if !pause(ctx, wait) {
				return nil
			}
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-b.suspicion:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// pause waits, and reports whether ctx is still alive after that.
func pause(ctx context.Context, t time.Duration) bool {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// refresh takes in discovery's list. What the list lacks and is known or bound
// here is asked itself: discovery may have started anew and not know it yet.
func (b *binding) refresh(ctx context.Context) error {
	listed, err := b.discovery.instances(ctx)
	if err != nil {
		return err
	}
	bound, err := b.svc.Bus().Bindings(ctx, b.zone())
	if err != nil {
		return err
	}
	alive, dead := b.probe(ctx, b.picture.lacking(listed, instancesOf(bound)))
	for _, i := range alive {
		b.log.InfoContext(ctx, "an instance is alive and not listed by discovery; it stays bound", "of", i.GetId())
	}
	b.picture.merge(listed, alive, dead)
	return nil
}

// instancesOf returns what bindings tell of their instances.
func instancesOf(bindings []bus.Binding) []*discoverypb.Instance {
	all := make([]*discoverypb.Instance, len(bindings))
	for k, b := range bindings {
		all[k] = &discoverypb.Instance{
			Id: b.Instance, Service: b.Service, Version: b.Version,
			Region: b.Region, Zone: b.Zone, Overlay: b.Match[bus.HeaderOverlay],
		}
	}
	return all
}

// maxCalls bounds how many instances are called at once.
const maxCalls = 32

// probe asks instances directly whether they are alive, and what they say they are.
func (b *binding) probe(ctx context.Context, instances []*discoverypb.Instance) (alive, dead []*discoverypb.Instance) {
	calls := make([]func(context.Context) error, len(instances))
	for k, i := range instances {
		calls[k] = func(ctx context.Context) error {
			s, err := b.stats(ctx, i, b.config.Probe)
			if err == nil && (s.GetService() != i.GetService() || s.GetVersion() != i.GetVersion()) {
				return fault.New(fault.Conflict, reasonImpostor, "%s is not what it is bound as", i.GetId())
			}
			return err
		}
	}
	for k, err := range platform.ParallelAll(ctx, maxCalls, calls...) {
		if silent(err) {
			dead = append(dead, instances[k])
		} else {
			alive = append(alive, instances[k])
		}
	}
	return alive, dead
}

// reasonImpostor is the reason of a probe that something else answered.
const reasonImpostor = "kernel.binding.probe"

// silent tells that an instance is not there or hangs. Any answer of its own shows
// that it lives, even an error; a failure of this side, such as that the bus is away,
// shows nothing, and whoever is bound stays so.
func silent(err error) bool {
	if err == nil {
		return false
	}
	f := fault.From(err)
	return f.Reason == reasonImpostor || f.Origin == fault.Local && (f.Code == fault.NoRoute || f.Code == fault.Timeout)
}

// stats asks one instance what it is and served.
func (b *binding) stats(ctx context.Context, i *discoverypb.Instance, limit time.Duration) (*hansompb.StatsResponse, error) {
	ctx, cancel := context.WithTimeout(platform.To(ctx, i.GetId()), limit)
	defer cancel()
	response := new(hansompb.StatsResponse)
	err := b.svc.Call(ctx, platform.Builtin(i.GetService(), platform.EndpointStats), &hansompb.StatsRequest{}, response)
	return response, err
}

// lead keeps the zone's bindings as they should be, for one term.
func (b *binding) lead(ctx context.Context, token uint64) error {
	b.log.InfoContext(ctx, "leading the bindings of the zone", "election", b.election(), "token", token)
	joined := make(chan struct{})
	joining, leave := context.WithCancel(ctx)
	go func() {
		defer close(joined)
		b.join(joining)
	}()
	defer func() {
		leave()
		<-joined
	}()
	audit := time.NewTicker(b.config.Audit)
	defer audit.Stop()
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-b.picture.changed:
		case <-again.C:
		case <-audit.C:
			b.audit(ctx)
		}
		if err := b.apply(ctx); err != nil && ctx.Err() == nil {
			b.log.WarnContext(ctx, "bindings could not be applied; trying again", "error", err)
			again.Reset(100 * time.Millisecond)
		}
	}
}

// apply makes the zone's bindings as they should be, once that is known.
func (b *binding) apply(ctx context.Context) error {
	want, _, ok := b.desired(b.zone())
	if !ok {
		return nil
	}
	return b.svc.Bus().Apply(ctx, b.zone(), want)
}

// desired returns what a zone should have; ok is false before everything is known
// that it takes to say so.
func (b *binding) desired(z bus.Zone) (want []bus.Binding, warnings map[string][]string, ok bool) {
	instances, whole := b.picture.all()
	current, loaded := b.splits.all()
	want, warnings = desired(z, instances, current)
	return want, warnings, whole && loaded
}

// audit compares what should be bound with what is. The caller applies what
// should be right after it.
func (b *binding) audit(ctx context.Context) {
	want, _, ok := b.desired(b.zone())
	if !ok {
		return
	}
	actual, err := b.svc.Bus().Bindings(ctx, b.zone())
	if err != nil {
		b.log.WarnContext(ctx, "the bindings of the zone cannot be audited", "error", err)
		return
	}
	missing, stray := 0, 0
	for _, d := range compare(want, actual) {
		switch d.state {
		case stateMissing:
			missing++
		case stateStray:
			stray++
		}
	}
	if missing+stray == 0 {
		return
	}
	b.drifted.Add(uint64(missing + stray))
	b.log.WarnContext(ctx, "the bindings drifted from what they should be; repairing", "missing", missing, "stray", stray)
}
