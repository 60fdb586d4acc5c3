package discovery

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
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
	total   atomic.Int64
	refused atomic.Int64 // those whose instance is not connected at the moment
}

// most reports whether most instances are not connected, which tells of the bus
// rather than of them.
func (r *rounds) most() bool {
	refused := r.refused.Load()
	return refused > 1 && 2*refused > r.total.Load()
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
		d.rounds.total.Add(1)
		defer d.rounds.total.Add(-1)
		r := round{d: d, id: id, service: service}
		// The first heartbeats are soon, for an adopted instance may be dead, and
		// spread over a part of the interval, for many may be adopted at once.
		for wait := rand.N(d.config.Interval/10 + 1); r.removed == nil && pause(own, wait); {
			wait = r.beat(own)
		}
		r.connected()
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
	due     time.Time             // of the next heartbeat; before that, only presence is asked for
	missed  int                   // heartbeats in a row
	refused int                   // times in a row that the bus said that it is not connected
	since   time.Time             // the first of them
	removed *discoverypb.Instance // set when it was given up
}

// beat asks once and returns when to ask again. A heartbeat that is due and one
// that only asks for presence are the same message; an answer that fails to come
// counts for the former alone.
func (r *round) beat(ctx context.Context) time.Duration {
	d, now := r.d, time.Now()
	counts := !now.Before(r.due)
	_, err := d.beat(ctx, r.id, r.service)
	switch {
	case ctx.Err() != nil:
		return 0
	case err == nil:
		r.missed = 0
		r.connected()
	case notConnected(err):
		r.notConnected(now)
	case blameless(err):
		return d.config.ProbePause
	default:
		r.connected()
	}
	if counts {
		r.due = now.Add(jittered(d.config.Interval))
		if err != nil {
			r.missed++
		}
	}
	d.picture.beat(r.id, time.Now(), r.missed, err == nil)
	return r.judge(ctx)
}

func (r *round) connected() {
	if r.refused > 0 {
		r.d.rounds.refused.Add(-1)
	}
	r.refused = 0
}

func (r *round) notConnected(now time.Time) {
	if r.refused == 0 {
		r.since = now
		r.d.rounds.refused.Add(1)
	}
	r.refused++
}

// judge gives the instance up if there is reason to, and returns when to ask again.
func (r *round) judge(ctx context.Context) time.Duration {
	c := r.d.config
	patient := r.d.rounds.most() && time.Since(r.since) < c.Grace
	switch {
	case r.refused >= c.Probes && !patient:
		r.giveUp(ctx, "not connected to the bus")
	case r.refused > 0:
		return c.ProbePause
	case r.missed >= c.Missed:
		r.giveUp(ctx, fmt.Sprintf("missed %d heartbeats", r.missed))
	}
	return min(jittered(c.Presence), max(time.Until(r.due), 0))
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
