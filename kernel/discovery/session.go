package discovery

import (
	"context"
	"time"

	"github.com/hansom-platform/hansom/coord"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
)

// retryPause is how long to wait before coord is asked again.
const retryPause = 200 * time.Millisecond

// start reads the picture and opens the session, however long that takes.
func (d *discovery) start(ctx context.Context) error {
	err := d.insist(ctx, "read the registrations", func() (err error) {
		d.watcher, err = d.coord.Watch(ctx, root)
		return err
	})
	if err != nil {
		return err
	}
	for {
		ev, err := d.watcher.Next(ctx)
		if err != nil {
			return err
		}
		if ev.Kind == coord.SnapshotDone {
			break
		}
		d.take(ctx, ev)
	}
	d.lone = d.meet(ctx)
	if err := d.insist(ctx, "open a session", func() error { return d.openSession(ctx) }); err != nil {
		return err
	}
	if d.lone {
		d.inherit(ctx)
	}
	return nil
}

// inherit takes over the nodes that are left of discovery instances of which
// none answers, rather than wait until their sessions are over. One that lives all the same sees it and lets go.
func (d *discovery) inherit(ctx context.Context) {
	var calls []func(context.Context) error
	for _, r := range d.picture.list("", "") {
		calls = append(calls, func(ctx context.Context) error { return d.list(ctx, r.GetInstance()) })
	}
	for _, err := range platform.ParallelAll(ctx, maxBeats, calls...) {
		if err != nil {
			d.log.WarnContext(ctx, "an instance cannot be taken over before its old session is over", "error", err)
		}
	}
}

// started reports whether there is a picture to speak of. The queue is open before that.
func (d *discovery) started() bool { return d.session.Load() != nil }

// insist does f until it succeeds or ctx ends.
func (d *discovery) insist(ctx context.Context, what string, f func() error) error {
	for warned := false; ; warned = true {
		err := f()
		if err == nil || fault.Is(err, fault.BadRequest) {
			return err
		}
		if !warned {
			d.log.WarnContext(ctx, "coord cannot be reached; trying on", "to", what, "error", err)
		}
		if !pause(ctx, retryPause) {
			return err
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

func (d *discovery) openSession(ctx context.Context) error {
	s, err := d.coord.NewSession(ctx, d.config.Session)
	if err != nil {
		return err
	}
	d.session.Store(s)
	return nil
}

// keepSession opens a new session whenever the old one is lost. The nodes of the
// old one go, and adopt writes them again.
func (d *discovery) keepSession(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.session.Load().Done():
		}
		d.log.WarnContext(ctx, "the session in coord is lost; opening another")
		err := d.insist(ctx, "open a session", func() error { return d.openSession(ctx) })
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
}

func (d *discovery) closeSession(ctx context.Context) {
	s := d.session.Load()
	if s == nil {
		return
	}
	if err := s.Close(ctx); err != nil {
		d.log.WarnContext(ctx, "the session in coord ends by its ttl only", "error", err)
	}
}

func (d *discovery) checkSession(context.Context) error {
	select {
	case <-d.session.Load().Done():
		return fault.New(fault.Unavailable, "kernel.discovery.no_session", "there is no session in coord: nobody can be registered here")
	default:
		return nil
	}
}

// adopt gives the orphans that fall to this discovery instance a node of its own, and its own
// instances the nodes that went with a lost session.
func (d *discovery) adopt(ctx context.Context) error {
	changes := d.picture.changes()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changes:
		case <-timer.C:
		}
		ids, next := d.picture.due(time.Now(), d.config.Settle, d.config.Turn)
		if d.adoptAll(ctx, ids) {
			next = time.Now().Add(retryPause)
		}
		if !next.IsZero() {
			timer.Reset(time.Until(next))
		}
	}
}

// adoptAll reports whether any of them could not be adopted for now.
func (d *discovery) adoptAll(ctx context.Context, ids []string) (again bool) {
	calls := make([]func(context.Context) error, len(ids))
	for k, id := range ids {
		calls[k] = func(ctx context.Context) error { return d.adoptOne(ctx, id) }
	}
	for k, err := range platform.ParallelAll(ctx, maxBeats, calls...) {
		if err != nil {
			d.log.DebugContext(ctx, "an instance could not be adopted for now", "of", ids[k], "error", err)
			again = true
		}
	}
	return again
}

func (d *discovery) adoptOne(ctx context.Context, id string) error {
	e, ok := d.picture.get(id)
	if !ok || e.orphaned.IsZero() {
		return nil
	}
	err := d.claim(ctx, e.instance)
	if err == nil && e.owner != d.svc.ID() {
		d.log.InfoContext(ctx, "instance adopted", "adopted", id, "from", e.owner)
	}
	if !fault.Is(err, fault.Conflict) {
		return err
	}
	return d.refresh(ctx, id)
}

// meet makes up for what the nodes cannot tell at the start: instances whose
// discovery instance has just died. Another discovery instance knows them; where
// there is none, which meet reports, they are asked to register again: see callIn.
func (d *discovery) meet(ctx context.Context) (lone bool) {
	client := discoverypb.NewDiscoveryClient(d.svc)
	for _, other := range d.picture.living() {
		if other == d.svc.ID() {
			continue
		}
		response, err := client.Instances(platform.To(ctx, other), &discoverypb.InstancesRequest{})
		if err != nil {
			continue
		}
		for _, r := range response.GetRegistrations() {
			d.picture.hearsay(r, time.Now())
		}
		return false
	}
	return true
}

// callIn has a lone discovery instance ask all to register again, at once and then at
// growing intervals: whoever reconnects to a bus that started anew together with
// this instance misses the first events. Those who have their place ignore the later ones.
func (d *discovery) callIn(ctx context.Context) error {
	if !d.lone {
		return nil
	}
	const first, last = 500 * time.Millisecond, time.Minute
	for wait := first; wait < last; wait *= 2 {
		d.outbox.add(topicReregister, &discoverypb.Reregister{Discovery: d.svc.ID(), Again: wait > first})
		if !pause(ctx, wait) {
			return nil
		}
	}
	return nil
}
