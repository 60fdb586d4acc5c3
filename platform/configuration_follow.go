package platform

import (
	"context"
	"math/rand/v2"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

// The topics of kernel.config.
const (
	topicConfigChanged  = "config.changed"
	topicConfigRevision = "config.revision"
)

const (
	configSpread     = 20 * time.Millisecond  // in which the instances that a change touches ask
	configFirstPause = 100 * time.Millisecond // after the first time that asking failed; doubles
	configLastPause  = 5 * time.Second
	configComplain   = 30 * time.Second // of asking in vain
	configBehind     = 3                // announcements of an older revision that show another history
)

// subscriptions are those by which the instance hears of changes.
func (c *configuration) subscriptions() []subscription {
	hear := func(topic string) subscription {
		return subscription{bus.Subscription{Topic: topic}, c.eventHandler(c.hear)}
	}
	return []subscription{hear(topicConfigChanged), hear(topicConfigRevision)}
}

// hear decides whether an event has the instance ask.
func (c *configuration) hear(_ context.Context, e *bus.Event) error {
	var m configpb.Changed
	if err := proto.Unmarshal(e.Message.Body, &m); err != nil {
		return fault.Wrap(err, fault.BadRequest, "platform.decode", "the event on %s cannot be read", e.Topic)
	}
	if c.hears(&m) {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

// hears reports whether to ask, and notes the revision where the change is of
// documents that do not touch this service.
func (c *configuration) hears(m *configpb.Changed) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.heard == 0 && c.due:
		return true // it was never answered; whoever announces a revision may answer now
	case m.GetRevision() == c.heard && !c.due:
		c.behind = 0
		return false
	case m.GetRevision() < c.heard:
		return c.fellBehind(m)
	case c.due || c.touched(m):
		c.due, c.wanted = true, max(c.wanted, m.GetRevision())
		return true
	}
	c.note(m.GetRevision())
	return false
}

// touched reports whether a change may be of this service's layers. Announcements name no
// documents: who is older than they are has missed something.
func (c *configuration) touched(m *configpb.Changed) bool {
	if len(m.GetIds()) == 0 || m.GetPrevious() > c.heard {
		return true
	}
	for _, id := range m.GetIds() {
		if c.own[id] {
			return true
		}
	}
	return false
}

// note says of the values that they are up to date with a later revision.
func (c *configuration) note(revision uint64) {
	c.heard, c.behind = revision, 0
	if c.refused {
		return
	}
	if err := c.values.Set(c.values.Document(), revision, c.values.Hash()); err != nil {
		c.problem = err.Error()
	}
}

// fellBehind reports whether an older revision than known is announced so steadily
// that it is no straggler: the history was replaced by another, from a backup as
// a rule.
func (c *configuration) fellBehind(m *configpb.Changed) bool {
	if len(m.GetIds()) > 0 {
		return false
	}
	if c.behind++; c.behind < configBehind {
		return false
	}
	c.due, c.wanted, c.heard, c.behind = true, 0, 0, 0
	return true
}

// follow asks whenever it is due, until ctx ends. Changes that come together are asked for
// once.
func (c *configuration) follow(ctx context.Context) {
	var failing time.Time // since when
	complained := false
	wait := configFirstPause
	for c.awaitDue(ctx) {
		err := c.refreshSomehow(ctx)
		if err == nil {
			if complained {
				c.log.InfoContext(ctx, "configured again", "revision", c.values.Revision())
			}
			failing, complained, wait = time.Time{}, false, configFirstPause
			continue
		}
		if failing.IsZero() {
			failing = time.Now()
		}
		if !complained && time.Since(failing) >= configComplain && ctx.Err() == nil {
			complained = true
			c.log.WarnContext(ctx, "the configuration may be out of date: kernel.config cannot be asked; trying on", "source", c.report().GetSource(), "error", err)
		}
		c.pauseOrWake(ctx, wait/2+rand.N(wait))
		wait = min(2*wait, configLastPause)
	}
}

// awaitDue returns when kernel.config is to be asked, and false when ctx has ended.
func (c *configuration) awaitDue(ctx context.Context) bool {
	for !c.isDue() {
		select {
		case <-c.wake:
			if !pause(ctx, rand.N(configSpread)) {
				return false
			}
		case <-ctx.Done():
			return false
		}
	}
	return ctx.Err() == nil
}

func (c *configuration) isDue() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.due
}

// refreshSomehow asks over the bus, and by HTTP where the bus does not reach anybody.
func (c *configuration) refreshSomehow(ctx context.Context) error {
	err := c.refresh(ctx, c.bus, configFromBus)
	if err == nil || c.http == nil {
		return err
	}
	switch fault.CodeOf(err) {
	case fault.NoRoute, fault.Unavailable, fault.Timeout:
		return c.refresh(ctx, c.http, configFromHTTP)
	}
	return err
}

// pauseOrWake waits for d, or until there is news.
func (c *configuration) pauseOrWake(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-c.wake:
		pause(ctx, rand.N(configSpread))
	}
}
