package discovery

import (
	"context"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
)

// The topics of discovery.
const (
	topicUp         = "discovery.up"
	topicDown       = "discovery.down"
	topicAlive      = "discovery.alive"
	topicWho        = "discovery.who"
	topicReregister = "discovery.reregister"
)

func (d *discovery) publishAlive(ctx context.Context) error {
	if !d.started() {
		return nil
	}
	z := d.svc.Zone()
	return d.svc.PublishEvent(ctx, topicAlive, &discoverypb.Alive{Instance: d.svc.ID(), Region: z.Region, Zone: z.Zone})
}

// announce says every interval where discovery is, and does what else is due
// from time to time.
func (d *discovery) announce(ctx context.Context) error {
	for {
		if err := d.publishAlive(ctx); err != nil && ctx.Err() == nil {
			d.log.WarnContext(ctx, "cannot announce that discovery is here", "error", err)
		}
		d.sweep(ctx)
		if err := d.audit(ctx); err != nil && ctx.Err() == nil {
			d.log.WarnContext(ctx, "cannot compare the picture with coord", "error", err)
		}
		if !pause(ctx, d.config.Interval) {
			return nil
		}
	}
}

// outbox keeps events in order until they are published.
type outbox struct {
	mu     sync.Mutex
	events []event
	filled chan struct{} // holds a token while there may be events
}

type event struct {
	topic   string
	message proto.Message
	at      time.Time
}

// stale is the age at which an event that cannot be published is given up:
// those who follow events have asked for the whole list by then.
const stale = 30 * time.Second

func newOutbox() *outbox { return &outbox{filled: make(chan struct{}, 1)} }

func (o *outbox) add(topic string, m proto.Message) {
	o.mu.Lock()
	o.events = append(o.events, event{topic, m, time.Now()})
	o.mu.Unlock()
	select {
	case o.filled <- struct{}{}:
	default:
	}
}

func (o *outbox) take() []event {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := o.events
	o.events = nil
	return all
}

// putBack puts events that were taken before all others.
func (o *outbox) putBack(events []event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events = append(events, o.events...)
}

// deliver publishes the events of the outbox, each until it succeeds or is stale.
// When the service stops, it publishes what is left: see flush.
func (d *discovery) deliver(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.outbox.filled:
		}
		events := d.outbox.take()
		for k, e := range events {
			if !d.publish(ctx, e) {
				d.outbox.putBack(events[k:])
				return nil
			}
		}
	}
}

// publish reports false when ctx ended before e was published.
func (d *discovery) publish(ctx context.Context, e event) bool {
	for {
		err := d.svc.PublishEvent(ctx, e.topic, e.message)
		if err == nil {
			return true
		}
		if time.Since(e.at) > stale {
			d.log.WarnContext(ctx, "an event could not be published", "topic", e.topic, "error", err)
			return true
		}
		if !pause(ctx, retryPause) {
			return false
		}
	}
}

// flush publishes what is in the outbox, once deliver has ended.
func (d *discovery) flush(ctx context.Context) {
	for _, e := range d.outbox.take() {
		if err := d.svc.PublishEvent(ctx, e.topic, e.message); err != nil {
			d.log.WarnContext(ctx, "an event could not be published", "topic", e.topic, "error", err)
		}
	}
}
