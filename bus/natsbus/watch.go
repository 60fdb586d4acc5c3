package natsbus

import (
	"context"
	"encoding/json"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansom-platform/hansom/bus/driver"
)

// watchRetry is the pause between attempts to watch while the engine is away.
const watchRetry = 200 * time.Millisecond

// startWatch loads every binding and follows changes until the connection is closed.
func (c *conn) startWatch(ctx context.Context) error {
	w, err := c.openWatch(ctx)
	if err != nil {
		return engineError(err, "watch the bindings")
	}
	follow := &follower{conn: c, known: map[string]tableKey{}, loaded: make(chan struct{})}
	c.tasks.Go(func() { follow.run(w) })
	select {
	case <-follow.loaded:
		return nil
	case <-ctx.Done():
		return errDisconnected(ctx.Err())
	}
}

// A watch is an open watcher and the context that it lives in.
type watch struct {
	jetstream.KeyWatcher
	cancel context.CancelFunc
}

// close has the server delete the consumer and waits for that.
func (w *watch) close() {
	stop(w)
	w.cancel()
}

// abandon is close without the wait.
func (w *watch) abandon() {
	go discard(w)
	w.cancel()
}

// stop ends a watcher whose updates nobody reads any more. Its callback would
// wait for a reader for ever.
func stop(w jetstream.KeyWatcher) {
	go discard(w)
	_ = w.Stop() // fails only where the connection is gone
}

func discard(w jetstream.KeyWatcher) {
	for range w.Updates() {
	}
}

// openWatch opens a watch within ctx and callTimeout. The watch outlives ctx.
func (c *conn) openWatch(ctx context.Context) (*watch, error) {
	life, cancel := context.WithCancel(context.Background())
	defer context.AfterFunc(ctx, cancel)()
	defer context.AfterFunc(c.link.Load().ctx, cancel)()
	defer time.AfterFunc(callTimeout, cancel).Stop()
	w, err := c.bindings.WatchAll(life)
	if err != nil {
		cancel()
		return nil, err
	}
	return &watch{w, cancel}, nil
}

// watchAgain asks for a fresh watch: the server may have forgotten the old one.
func (c *conn) watchAgain() {
	select {
	case c.rewatch <- struct{}{}:
	default:
	}
}

type tableKey struct {
	service string
	zone    driver.Zone
}

// follower keeps the table equal to the bucket.
type follower struct {
	conn   *conn
	known  map[string]tableKey // by key of the bucket
	seen   map[string]bool     // keys met since the watch began, until it is complete
	loaded chan struct{}       // closed once the first watch is complete
}

func (f *follower) run(w *watch) {
	for w != nil {
		f.seen = map[string]bool{}
		f.follow(w)
		if f.conn.ctx.Err() != nil {
			w.close()
			return
		}
		w.abandon()
		w = f.reopen()
	}
}

// follow applies updates until the watch ends, a new one is asked for, or the
// connection is closed.
func (f *follower) follow(w *watch) {
	for {
		select {
		case e, ok := <-w.Updates():
			switch {
			case !ok:
				return
			case e == nil:
				f.complete()
			default:
				f.apply(e)
			}
		case <-f.conn.rewatch:
			return
		case <-f.conn.ctx.Done():
			return
		}
	}
}

func (f *follower) reopen() *watch {
	for f.conn.ctx.Err() == nil {
		w, err := f.conn.openWatch(f.conn.ctx)
		if err == nil {
			return w
		}
		select {
		case <-time.After(watchRetry):
		case <-f.conn.rewatch:
		case <-f.conn.ctx.Done():
		}
	}
	return nil
}

func (f *follower) apply(e jetstream.KeyValueEntry) {
	if f.seen != nil {
		f.seen[e.Key()] = true
	}
	if e.Operation() != jetstream.KeyValuePut {
		f.forget(e.Key())
		return
	}
	var r record
	if err := json.Unmarshal(e.Value(), &r); err != nil {
		f.conn.log.Error("unreadable bindings ignored", "bucket", bucketBindings, "key", e.Key(), "error", err)
		return
	}
	f.known[e.Key()] = tableKey{r.Service, r.Zone}
	f.conn.table.Set(r.Service, r.Zone, r.Bindings, r.Left)
}

func (f *follower) forget(key string) {
	if k, ok := f.known[key]; ok {
		f.conn.table.Forget(k.service, k.zone)
		delete(f.known, key)
	}
}

// complete drops what the bucket no longer has: a watch tells of deletions only
// while it lasts.
func (f *follower) complete() {
	for key := range f.known {
		if f.seen != nil && !f.seen[key] {
			f.forget(key)
		}
	}
	f.seen = nil
	select {
	case <-f.loaded:
	default:
		close(f.loaded)
	}
}
