package platform

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
)

// topicReregister is where a discovery instance that cannot know who is running
// asks every instance to register again (see discoverypb.Reregister).
const topicReregister = "discovery.reregister"

const (
	registerTimeout   = 5 * time.Second // of one attempt
	deregisterTimeout = 2 * time.Second
	reconnectTimeout  = 200 * time.Millisecond // for the same, while there is no connection
	firstPause        = 10 * time.Millisecond  // after the first attempt that failed; doubles
	complainAfter     = 5 * time.Second        // of trying to register, and again whenever so much has passed
)

// discoveryRegistry is the registry over the bus.
type discoveryRegistry struct {
	client *discoverypb.DiscoveryClient
}

// Register implements Registry.
func (r discoveryRegistry) Register(ctx context.Context, i *discoverypb.Instance) error {
	_, err := r.client.Register(ctx, &discoverypb.RegisterRequest{Instance: i})
	return err
}

// Deregister implements Registry.
func (r discoveryRegistry) Deregister(ctx context.Context, instance string) error {
	_, err := r.client.Deregister(ctx, &discoverypb.DeregisterRequest{Instance: instance})
	return err
}

// belong registers the instance and keeps it registered until ctx ends. It returns
// an error when that failed for good.
func (l *life) belong(ctx context.Context) error {
	if err := l.register(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	l.log.InfoContext(ctx, "ready", "version", l.config.version, "zone", l.config.zone.String())
	close(l.ready)
	if l.timings.Lost < 0 {
		return nil
	}
	return l.watch(ctx)
}

// register tries until the registry takes the instance, refuses it for a reason
// that does not pass, or ctx ends, which is no error.
func (l *life) register(ctx context.Context) error {
	instance := l.Instance()
	complain := time.Now().Add(complainAfter)
	for wait := firstPause; ctx.Err() == nil; wait = min(2*wait, l.timings.Register) {
		err := l.registerOnce(ctx, instance)
		if err == nil {
			return nil
		}
		if refused(err) {
			return fmt.Errorf("register: %w", err)
		}
		if time.Now().After(complain) {
			complain = time.Now().Add(complainAfter)
			l.log.WarnContext(ctx, "not registered yet, so nothing is routed here: is kernel.discovery running?", "error", err)
		}
		pause(ctx, wait/2+rand.N(wait))
	}
	return nil
}

func (l *life) registerOnce(ctx context.Context, i *discoverypb.Instance) error {
	ctx, cancel := context.WithTimeout(ctx, registerTimeout)
	defer cancel()
	err := l.config.registry.Register(ctx, i)
	if err == nil {
		l.listed.Store(time.Now().UnixNano())
	}
	return err
}

func refused(err error) bool {
	switch fault.CodeOf(err) {
	case fault.BadRequest, fault.Unauthorized, fault.Forbidden:
		return true
	default:
		return false
	}
}

// settled is how lately an instance must have registered or heard a heartbeat to
// be sure of its place. Discovery asks every second whether it is there.
const settled = 2500 * time.Millisecond

// reregister registers with the discovery instance that asks for it. When that one
// asks again, it means those who missed that it asked.
func (l *life) reregister(ctx context.Context, e *bus.Event) error {
	var wanted discoverypb.Reregister
	if err := proto.Unmarshal(e.Message.Body, &wanted); err != nil {
		return fault.Wrap(err, fault.BadRequest, "platform.decode", "the event on %s cannot be read", e.Topic)
	}
	select {
	case <-l.ready:
	default:
		return nil // it may not be ready to serve yet, and registers by itself when it is
	}
	known := time.Unix(0, max(l.lastBeat.Load(), l.listed.Load()))
	if l.draining.Load() || wanted.GetAgain() && time.Since(known) < settled {
		return nil
	}
	return l.registerOnce(To(ctx, wanted.GetDiscovery()), l.Instance())
}

func (l *life) deregister(ctx context.Context) {
	limit := deregisterTimeout
	if l.conn.bus.Check(ctx) != nil { // a call waits for a connection, which may not come back
		limit = reconnectTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := l.config.registry.Deregister(ctx, l.instance); err != nil {
		l.log.WarnContext(ctx, "not deregistered: requests are routed here until it is noticed", "error", err)
	}
}

// watch mends the instance's place whenever no heartbeat came for Timings.Lost:
// first it registers again, after that it also reconnects. It returns an error when
// that did not bring the heartbeats back MaxLost times in a row.
func (l *life) watch(ctx context.Context) error {
	mended, lost := time.Now(), 0
	for {
		beat := time.Unix(0, l.lastBeat.Load())
		if beat.After(mended) {
			mended, lost = beat, 0
		}
		if wait := time.Until(mended.Add(l.timings.Lost)); wait > 0 {
			if !pause(ctx, wait) {
				return nil
			}
			continue
		}
		if lost++; lost > l.timings.MaxLost {
			return fault.New(fault.Unavailable, "platform.lost", "no heartbeat of kernel.discovery came though the instance was mended %d times", l.timings.MaxLost)
		}
		if err := l.mend(ctx, lost); err != nil {
			return err
		}
		mended = time.Now()
	}
}

func (l *life) mend(ctx context.Context, lost int) error {
	l.log.WarnContext(ctx, "no heartbeat: registering again", "silence", l.timings.Lost, "time", lost, "reconnect", lost > 1)
	ctx, cancel := context.WithTimeout(ctx, l.timings.Lost)
	defer cancel()
	if lost > 1 {
		if err := l.reopen(ctx); err != nil {
			l.log.ErrorContext(ctx, "reconnecting to the bus failed", "error", err)
			return nil
		}
	}
	return l.register(ctx)
}

// reopen replaces the connection, for one that looks well and is not.
func (l *life) reopen(ctx context.Context) error {
	l.close(ctx)
	err := l.open(ctx)
	if err != nil {
		l.close(ctx)
	}
	return err
}
