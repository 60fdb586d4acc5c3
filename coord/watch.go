package coord

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/hansom-platform/hansom/coord/driver"
)

// EventKind says what an Event tells.
type EventKind uint8

// The kinds of events.
const (
	NodePut      EventKind = iota // the node exists and is as told
	NodeDeleted                   // the path holds no node; Data is empty
	SnapshotDone                  // all that existed when the watch began has been told
)

// String returns "put", "deleted" or "snapshot-done".
func (k EventKind) String() string {
	return [...]string{"put", "deleted", "snapshot-done"}[k]
}

// Event is one step of a watch. A deletion's revision is that of the deletion
// where the engine tells it, else that of the last node seen at the path; a later
// put of the same path always has a greater one.
type Event struct {
	Kind EventKind
	Node Node
}

// Watcher follows the nodes at and below a prefix. Next first yields a NodePut for each present node, then one
// SnapshotDone, then changes as they happen. States in between may be left out; the last
// state of a path never is, whatever happens to the connection: after a reconnection
// the Watcher yields the puts and deletions that lead from what it told before to
// what is.
//
// A Watcher that is not read holds nobody up. What it has not yet told is
// merged, at most one event for each path.
type Watcher struct {
	coord  *Coord
	prefix string
	stop   func()
	wake   chan struct{} // holds one token while something may be pending

	mu      sync.Mutex
	known   map[string]uint64 // revisions as of all events queued or told
	told    map[string]struct{}
	pending map[string]Event
	queue   []string // order of pending; the empty string is the SnapshotDone
	synced  bool
	err     error
}

// Watch follows the nodes at and below prefix; "/" stands for everything. The
// context bounds the opening; Close ends the Watcher.
func (c *Coord) Watch(ctx context.Context, prefix string) (*Watcher, error) {
	if err := checkPrefix(prefix); err != nil {
		return nil, err
	}
	w := newWatcher(c, prefix)
	stop, err := c.driver.Watch(ctx, prefix, (*mailbox)(w))
	if err != nil {
		return nil, opError("watch", prefix, err)
	}
	w.stop = sync.OnceFunc(stop)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		w.stop()
		return nil, closedError("watch", prefix)
	}
	c.watchers[w] = struct{}{}
	return w, nil
}

func newWatcher(c *Coord, prefix string) *Watcher {
	return &Watcher{
		coord:   c,
		prefix:  prefix,
		wake:    make(chan struct{}, 1),
		known:   make(map[string]uint64),
		told:    make(map[string]struct{}),
		pending: make(map[string]Event),
	}
}

// Close ends the Watcher; Next returns an error with ErrClosed in its chain from
// then on. Closing twice is no error.
func (w *Watcher) Close() {
	w.stop()
	w.coord.mu.Lock()
	delete(w.coord.watchers, w)
	w.coord.mu.Unlock()
	(*mailbox)(w).Fail(closedError("watch", w.prefix))
}

// Next returns the next event, waiting for it if need be. It fails when ctx ends,
// which leaves the Watcher usable, and when the Watcher or its Coord is closed. Calls
// from several goroutines share the events between them.
func (w *Watcher) Next(ctx context.Context) (Event, error) {
	for {
		ev, ok, err := w.take()
		if ok || err != nil {
			return ev, err
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			return Event{}, opError("watch", w.prefix, ctx.Err())
		}
	}
}

func (w *Watcher) take() (Event, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		w.notify()
		return Event{}, false, w.err
	}
	for len(w.queue) > 0 {
		path := w.queue[0]
		w.queue = w.queue[1:]
		ev, ok := w.pending[path]
		if !ok {
			continue
		}
		delete(w.pending, path)
		w.markTold(ev)
		if len(w.pending) > 0 {
			w.notify()
		}
		return ev, true, nil
	}
	return Event{}, false, nil
}

func (w *Watcher) markTold(ev Event) {
	switch ev.Kind {
	case NodePut:
		w.told[ev.Node.Path] = struct{}{}
	case NodeDeleted:
		delete(w.told, ev.Node.Path)
	}
}

func (w *Watcher) notify() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// mailbox is the driver's side of a Watcher.
type mailbox Watcher

var _ driver.Observer = (*mailbox)(nil)

func (m *mailbox) Snapshot(nodes []Node) {
	m.mu.Lock()
	defer m.mu.Unlock()
	present := make(map[string]struct{}, len(nodes))
	for _, n := range nodes {
		present[n.Path] = struct{}{}
	}
	for _, path := range slices.Sorted(maps.Keys(m.known)) {
		if _, ok := present[path]; !ok {
			m.remove(path, m.known[path])
		}
	}
	for _, n := range nodes {
		m.put(n)
	}
	if !m.synced {
		m.synced = true
		m.enqueue("", Event{Kind: SnapshotDone})
	}
	(*Watcher)(m).notify()
}

func (m *mailbox) Put(n Node) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(n)
	(*Watcher)(m).notify()
}

func (m *mailbox) Delete(path string, revision uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remove(path, revision)
	(*Watcher)(m).notify()
}

func (m *mailbox) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		m.err = err
	}
	(*Watcher)(m).notify()
}

func (m *mailbox) put(n Node) {
	if rev, ok := m.known[n.Path]; ok && rev == n.Revision {
		return
	}
	m.known[n.Path] = n.Revision
	m.enqueue(n.Path, Event{Kind: NodePut, Node: n})
}

// remove forgets a node that was never told, and queues the deletion of one that
// was.
func (m *mailbox) remove(path string, revision uint64) {
	known, ok := m.known[path]
	if !ok {
		return
	}
	delete(m.known, path)
	if _, told := m.told[path]; !told {
		delete(m.pending, path)
		m.compact()
		return
	}
	m.enqueue(path, Event{Kind: NodeDeleted, Node: Node{Path: path, Revision: max(known, revision)}})
}

func (m *mailbox) enqueue(path string, ev Event) {
	if _, queued := m.pending[path]; !queued {
		m.queue = append(m.queue, path)
	}
	m.pending[path] = ev
}

// compact drops queue entries whose events were forgotten once they are the
// greater part, so that the queue stays as small as the events.
func (m *mailbox) compact() {
	if len(m.queue) < 64 || len(m.queue) < 2*len(m.pending) {
		return
	}
	m.queue = slices.DeleteFunc(m.queue, func(path string) bool {
		_, ok := m.pending[path]
		return !ok
	})
}
