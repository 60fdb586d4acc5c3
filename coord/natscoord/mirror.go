package natscoord

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansom-platform/hansom/coord/driver"
)

// mirror keeps a copy of the whole tree by one consumer and serves all watches of
// a connection from it. It begins with the first watch.
type mirror struct {
	coord  *Coord
	ctx    context.Context
	cancel context.CancelFunc
	tasks  sync.WaitGroup
	dirty  chan struct{} // holds a token while there may be orphans to delete

	mu      sync.Mutex
	started bool
	tree    *tree  // nil until read for the first time
	applied uint64 // sequence up to which the tree is true
	waiters []waiter
	watches map[*watch]struct{}
	err     error // why it ended
}

type watch struct {
	prefix   string
	observer driver.Observer
}

// waiter wants to know when the tree includes a sequence.
type waiter struct {
	seq  uint64
	done chan struct{}
}

func newMirror(c *Coord) *mirror {
	m := &mirror{coord: c, dirty: make(chan struct{}, 1), watches: make(map[*watch]struct{})}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m
}

// Watch implements driver.Coord.
func (c *Coord) Watch(ctx context.Context, prefix string, o driver.Observer) (stop func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeoutOf(ctx))
	defer cancel()
	if err := c.mirror.start(); err != nil {
		return nil, err
	}
	seq, err := c.barrier(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.mirror.await(ctx, seq); err != nil {
		return nil, translate(ctx, err)
	}
	return c.mirror.add(&watch{prefix, o})
}

func (m *mirror) start() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil || m.started {
		return m.err
	}
	m.started = true
	m.tasks.Go(m.run)
	m.tasks.Go(m.sweep)
	return nil
}

// await waits until the tree includes seq.
func (m *mirror) await(ctx context.Context, seq uint64) error {
	m.mu.Lock()
	if m.err != nil || m.applied >= seq {
		defer m.mu.Unlock()
		return m.err
	}
	w := waiter{seq, make(chan struct{})}
	m.waiters = append(m.waiters, w)
	m.mu.Unlock()
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *mirror) add(w *watch) (stop func(), err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return nil, m.err
	}
	w.observer.Snapshot(m.tree.visible(w.prefix))
	m.watches[w] = struct{}{}
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.watches, w)
	}, nil
}

func (m *mirror) close() {
	m.cancel()
	m.end(errClosed)
	m.tasks.Wait()
}

// run follows the stream, and begins anew after every doubt, until the mirror or
// the connection is closed.
func (m *mirror) run() {
	const shortest, longest = 20 * time.Millisecond, time.Second
	wait := shortest
	for {
		ctx, release, err := m.coord.link.attach(m.ctx)
		if err != nil {
			m.end(err)
			return
		}
		filled := m.follow(ctx)
		release()
		if wait = min(2*wait, longest); filled {
			wait = shortest
		}
		if !sleep(m.ctx, wait) {
			m.end(errClosed)
			return
		}
	}
}

// follow reads the stream until something goes wrong and reports whether it got
// as far as the present state.
func (m *mirror) follow(ctx context.Context) bool {
	f, err := m.coord.openFeed(ctx, []string{m.coord.names.all()})
	if err != nil {
		return false
	}
	defer f.close()
	t := newTree()
	if err := f.fill(ctx, t, 0); err != nil {
		return false
	}
	m.install(t, f.seen)
	for {
		subject, r, err := f.next(ctx)
		if err != nil {
			return true
		}
		m.apply(subject, r)
	}
}

// install replaces the tree.
func (m *mirror) install(t *tree, seq uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return
	}
	m.tree = t
	for w := range m.watches {
		w.observer.Snapshot(t.visible(w.prefix))
	}
	m.advance(seq)
	m.markDirty()
}

func (m *mirror) apply(subject string, r record) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return
	}
	for _, c := range m.tree.apply(m.coord.names, subject, r) {
		for w := range m.watches {
			w.report(c)
		}
	}
	if !r.live {
		m.markDirty()
	}
	m.advance(r.seq)
}

func (w *watch) report(c change) {
	switch {
	case !under(w.prefix, c.node.Path):
	case c.present:
		w.observer.Put(c.node)
	default:
		w.observer.Delete(c.node.Path, c.node.Revision)
	}
}

func (m *mirror) advance(seq uint64) {
	m.applied = seq
	m.waiters = slices.DeleteFunc(m.waiters, func(w waiter) bool {
		if w.seq > seq {
			return false
		}
		close(w.done)
		return true
	})
}

// end fails all watches and whoever waits, who then finds the reason.
func (m *mirror) end(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return
	}
	m.err = err
	for w := range m.watches {
		w.observer.Fail(err)
	}
	clear(m.watches)
	for _, w := range m.waiters {
		close(w.done)
	}
	m.waiters = nil
}

func (m *mirror) markDirty() {
	select {
	case m.dirty <- struct{}{}:
	default:
	}
}

// sweep deletes nodes of dead sessions. All mirrors do, so each waits for a
// random moment first, in which another one may have done it.
func (m *mirror) sweep() {
	const shortest, spread = 100 * time.Millisecond, 900 * time.Millisecond
	for {
		select {
		case <-m.dirty:
		case <-m.ctx.Done():
			return
		}
		if len(m.orphans()) == 0 {
			continue
		}
		if !sleep(m.ctx, shortest+rand.N(spread)) {
			return
		}
		for _, n := range m.orphans() {
			if m.deleteOrphan(n) != nil {
				break
			}
		}
	}
}

func (m *mirror) orphans() []driver.Node {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tree == nil {
		return nil
	}
	return m.tree.orphans()
}

// deleteOrphan asks the leader once more whether the session is dead, for a
// deletion cannot be taken back.
func (m *mirror) deleteOrphan(n driver.Node) error {
	owner, err := m.coord.last(m.ctx, m.coord.names.session(n.Session))
	if err != nil || owner.live {
		return err
	}
	err = m.coord.purge(m.ctx, m.coord.names.node(n.Path), jetstream.WithExpectLastSequencePerSubject(n.Revision))
	if errors.Is(err, errWrongRevision) {
		return nil
	}
	return err
}

// sleep reports whether it was not cut short by ctx.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
