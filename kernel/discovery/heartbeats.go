package discovery

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	hansompb "github.com/hansom-platform/hansom/proto/hansom"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
)

// rounds are the goroutines that each look after one instance.
type rounds struct {
	all     sync.WaitGroup
	running map[string]context.CancelFunc // used by keepRounds only
}

// keepRounds looks after exactly the instances that are registered through this
// discovery instance.
func (d *discovery) keepRounds(ctx context.Context) error {
	defer d.rounds.all.Wait()
	changes := d.picture.changes()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changes:
		}
		mine := d.picture.mine()
		for id, stop := range d.rounds.running {
			if _, ok := mine[id]; !ok {
				stop()
				delete(d.rounds.running, id)
			}
		}
		for id, service := range mine {
			if _, ok := d.rounds.running[id]; !ok {
				d.startRound(ctx, id, service)
			}
		}
	}
}

func (d *discovery) startRound(ctx context.Context, id, service string) {
	own, stop := context.WithCancel(ctx)
	d.rounds.running[id] = stop
	d.rounds.all.Go(func() {
		defer stop()
		r := round{d: d, id: id, service: service}
		// The first heartbeats are soon, for an adopted instance may be dead, and
		// spread over a part of the interval, for many may be adopted at once.
		for wait := rand.N(d.config.Interval/10 + 1); r.removed == nil && pause(own, wait); {
			wait = r.beat(own)
		}
		if r.removed != nil {
			d.lookOut(ctx, r.removed)
		}
	})
}

// round looks after one instance.
type round struct {
	d       *discovery
	id      string
	service string
	missed  int                   // in a row, of all kinds
	refused int                   // in a row, by the bus
	removed *discoverypb.Instance // set when it was given up
}

// beat sends one heartbeat and returns when the next is due.
func (r *round) beat(ctx context.Context) time.Duration {
	d := r.d
	_, err := d.beat(ctx, r.id, r.service)
	switch {
	case ctx.Err() != nil:
		return 0
	case err == nil:
		r.missed, r.refused = 0, 0
	case notConnected(err):
		r.missed++
		r.refused++
	case blameless(err):
		return d.config.ProbePause
	default:
		r.missed++
		r.refused = 0
	}
	d.picture.beat(r.id, time.Now(), r.missed)
	switch {
	case r.refused >= d.config.Probes:
		r.giveUp(ctx, "not connected to the bus")
	case r.refused > 0:
		return d.config.ProbePause
	case r.missed >= d.config.Missed:
		r.giveUp(ctx, fmt.Sprintf("missed %d heartbeats", r.missed))
	}
	return jittered(d.config.Interval)
}

// jittered spreads what began at once over time.
func jittered(t time.Duration) time.Duration { return t - t/20 + rand.N(t/10) }

// giveUp removes the instance. When that fails the next heartbeat decides again.
//
// The watch may tell of the removal before the answer to its write is here, and
// then this round's context ends; the removal must be made known all the same.
func (r *round) giveUp(ctx context.Context, reason string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.d.config.Timeout)
	defer cancel()
	e, listed := r.d.picture.get(r.id)
	removed, err := r.d.remove(ctx, r.id, reason)
	if err != nil {
		r.d.log.WarnContext(ctx, "an instance that is gone could not be removed", "of", r.id, "error", err)
		return
	}
	if removed && listed {
		r.removed = e.instance
	}
}

// notConnected tells that the bus knows no queue of the instance.
func notConnected(err error) bool { return fault.Is(err, fault.NoRoute) }

// blameless tells that the failure is this side's.
func blameless(err error) bool {
	f := fault.From(err)
	return f.Origin == fault.Local && f.Code != fault.NoRoute && f.Code != fault.Timeout && f.Code != fault.BadResponse
}

// beat sends a heartbeat to an instance and tells whether it is draining. Any
// answer of the instance itself counts as one, even an error.
func (d *discovery) beat(ctx context.Context, id, service string) (draining bool, err error) {
	select {
	case d.beats <- struct{}{}:
		defer func() { <-d.beats }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(platform.To(ctx, id), d.config.Timeout)
	defer cancel()
	request := &hansompb.HeartbeatRequest{Discovery: d.svc.ID(), Interval: durationpb.New(d.config.Interval)}
	response := new(hansompb.HeartbeatResponse)
	err = d.svc.Call(ctx, platform.Builtin(service, platform.EndpointHeartbeat), request, response)
	if err != nil && fault.From(err).Origin == fault.Peer {
		d.log.DebugContext(ctx, "a heartbeat was answered with an error", "of", id, "error", err)
		return false, nil
	}
	return response.GetDraining(), err
}

// lookOut asks an instance that was removed on for a while and lists it again
// when it answers: it was reconnecting, or paused.
func (d *discovery) lookOut(ctx context.Context, i *discoverypb.Instance) {
	for end := time.Now().Add(d.config.Lookout); time.Now().Before(end) && pause(ctx, d.config.ProbePause); {
		if _, listed := d.picture.get(i.GetId()); listed {
			return
		}
		draining, err := d.beat(ctx, i.GetId(), i.GetService())
		if err != nil || draining {
			continue
		}
		if _, err := d.Register(ctx, &discoverypb.RegisterRequest{Instance: i}); err == nil {
			return
		}
	}
}
