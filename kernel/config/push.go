package config

import (
	"context"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hansom-platform/hansom/kernel/config/history"
	"github.com/hansom-platform/hansom/platform"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

// The topics of configuration.
const (
	topicChanged  = "config.changed"  // after every change, by the instance that appended it
	topicRevision = "config.revision" // at intervals, by every instance
)

// maxIDs bounds the ids of one event. Without any, receivers ask whatever changed.
const maxIDs = 10_000

// outbox keeps what was appended here until it is published. What a crash takes from it, others
// notice by config.revision.
type outbox struct {
	mu     sync.Mutex
	events []*configpb.Changed
	filled chan struct{}
}

func newOutbox() *outbox { return &outbox{filled: make(chan struct{}, 1)} }

func (o *outbox) add(e *history.Entry) {
	o.mu.Lock()
	o.events = append(o.events, &configpb.Changed{Revision: e.Revision, Previous: e.Revision - 1, Ids: e.IDs()})
	o.mu.Unlock()
	select {
	case o.filled <- struct{}{}:
	default:
	}
}

// take returns what is to be published, neighbours put together.
func (o *outbox) take() []*configpb.Changed {
	o.mu.Lock()
	events := o.events
	o.events = nil
	o.mu.Unlock()
	var all []*configpb.Changed
	for _, e := range events {
		last := len(all) - 1
		if last >= 0 && all[last].GetRevision() == e.GetPrevious() && len(all[last].GetIds())+len(e.GetIds()) <= maxIDs {
			all[last].Revision = e.GetRevision()
			all[last].Ids = append(all[last].GetIds(), e.GetIds()...)
			continue
		}
		if len(e.GetIds()) > maxIDs {
			e.Ids = nil
		}
		all = append(all, e)
	}
	return all
}

// publish publishes what is appended here, as soon as it is.
func (s *server) publish(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.outbox.filled:
		}
		for _, e := range s.outbox.take() {
			if err := s.svc.PublishEvent(ctx, topicChanged, e); err != nil && ctx.Err() == nil {
				s.log.WarnContext(ctx, "a change of configuration could not be published; instances learn of it at intervals", "revision", e.GetRevision(), "error", err)
			}
		}
	}
}

// announce says at intervals which revision there is.
func (s *server) announce(ctx context.Context) error {
	tick := time.NewTicker(s.config.Interval)
	defer tick.Stop()
	for {
		if err := s.svc.PublishEvent(ctx, topicRevision, &configpb.Changed{Revision: s.history.State().Revision}); err != nil && ctx.Err() == nil {
			s.log.DebugContext(ctx, "the revision could not be announced", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// hear catches up with a sibling that knows of a newer revision.
func (s *server) hear(ctx context.Context, e *platform.Event) error {
	m := new(configpb.Changed)
	if err := proto.Unmarshal(e.Message.Body, m); err != nil {
		return err
	}
	if !s.opened.Load() || m.GetRevision() <= s.history.State().Revision {
		return nil
	}
	_, err := s.history.CatchUp(ctx)
	return err
}

// follow looks into the store at intervals, until ctx ends, and makes snapshots.
func (s *server) follow(ctx context.Context) {
	tick := time.NewTicker(s.config.Interval)
	defer tick.Stop()
	for away := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		_, err := s.history.CatchUp(ctx)
		if err == nil {
			err = s.history.Snapshot(ctx)
		}
		if err != nil && !away && ctx.Err() == nil {
			s.log.WarnContext(ctx, "the store cannot be read; configuration is served from memory", "error", err)
		}
		away = err != nil
	}
}
