package coord

import (
	"context"
	"path"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/hansom-platform/hansom/fault"
)

// Lock is an exclusive lock while it is held. Whoever acts under it hands Token to
// what it acts on, which refuses tokens lower than the greatest it has seen:
// a holder that was paused past its session's ttl is thereby fenced off, whatever
// it believes.
type Lock struct {
	session *Session
	node    Node
	done    chan struct{}
	release func() // stops guard
}

// Token is the fencing token: greater than that of every earlier holder of the lock.
func (l *Lock) Token() uint64 { return l.node.Revision }

// Done is closed when the lock is no longer held: unlocked, its session over, or
// its node deleted by somebody.
func (l *Lock) Done() <-chan struct{} { return l.done }

// Unlock gives the lock up. If the engine does not answer, Unlock returns the
// error and the lock is given up in the background, at the latest with the session's
// end. Unlocking twice is no error.
func (l *Lock) Unlock(ctx context.Context) error {
	l.release()
	<-l.done
	return l.session.withdraw(ctx, l.node.Path)
}

// Lock waits for the exclusive lock of that name and takes it, first come, first
// served. A name is one or more segments joined by slashes, as in a path; locks
// "a" and "a/b" have nothing to do with each other. The lock is held until
// Unlock or the end of the session. Waiting is by watch. If ctx or the session ends
// first, Lock withdraws and returns an error.
func (c *Coord) Lock(ctx context.Context, s *Session, name string) (*Lock, error) {
	if err := checkName("lock", name); err != nil {
		return nil, err
	}
	return s.acquire(ctx, contest{root: locksRoot + "/" + name})
}

// TryLock takes the lock if nobody holds it or waits for it, else it returns Conflict.
func (c *Coord) TryLock(ctx context.Context, s *Session, name string) (*Lock, error) {
	if err := checkName("lock", name); err != nil {
		return nil, err
	}
	root := locksRoot + "/" + name
	// Looking first spares the queue of those who wait a contender who does not.
	if first, err := c.first(ctx, root); err == nil {
		return nil, heldError(root, first)
	} else if !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	return s.acquire(ctx, contest{root: root, try: true})
}

func heldError(root string, holder Node) error {
	return fault.New(fault.Conflict, "coord.lock", "coord: try lock %s: session %s holds it or comes first, with token %d",
		root, holder.Session, holder.Revision)
}

// first returns the contender whose turn it is, or NotFound.
func (c *Coord) first(ctx context.Context, root string) (Node, error) {
	nodes, err := c.List(ctx, root)
	if err != nil {
		return Node{}, err
	}
	var first Node
	for _, n := range nodes {
		if contender(root, n.Path) && (first.Path == "" || n.Revision < first.Revision) {
			first = n
		}
	}
	if first.Path == "" {
		return Node{}, fault.New(fault.NotFound, "coord.lock", "coord: nobody holds or awaits %s", root)
	}
	return first, nil
}

// contender reports whether p is a contender's node of the lock at root, rather
// than one of a lock whose name goes on below.
func contender(root, p string) bool {
	rest, ok := strings.CutPrefix(p, root+"/")
	return ok && !strings.Contains(rest, "/")
}

// contest is one attempt at a lock.
type contest struct {
	root string // above the contenders' nodes
	data []byte // of the own node
	try  bool   // give up instead of waiting
}

func (s *Session) acquire(ctx context.Context, c contest) (*Lock, error) {
	node, err := s.contend(ctx, c)
	if err != nil {
		return nil, err
	}
	bound, unbind := s.bind(ctx)
	defer unbind()
	w, err := s.coord.Watch(bound, c.root)
	if err == nil {
		if err = c.await(bound, w, node); err == nil {
			return s.hold(w, node), nil
		}
		w.Close()
	}
	if s.over() {
		return nil, sessionLost("lock", c.root)
	}
	// Whether ctx has ended or not, the place in the queue must be given up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = s.withdraw(ctx, node.Path)
	return nil, err
}

// contend queues up. The node's path is new each time, so that the node is
// written once and its revision tells its place.
func (s *Session) contend(ctx context.Context, c contest) (Node, error) {
	p := c.root + "/" + uuid.NewString()
	node, err := s.create(ctx, p, c.data)
	if fault.Is(err, fault.Unavailable) || fault.Is(err, fault.Timeout) {
		s.discard(p)
	}
	return node, err
}

// await returns nil once node is the oldest of the contenders that w tells of.
// Node's own appearance proves that all older ones are known (driver.Observer).
func (c contest) await(ctx context.Context, w *Watcher, node Node) error {
	older := make(map[string]Node)
	synced, seen := false, false
	for {
		ev, err := w.Next(ctx)
		if err != nil {
			return err
		}
		switch {
		case ev.Kind == SnapshotDone:
			synced = true
		case ev.Node.Path == node.Path:
			if seen = ev.Kind == NodePut; !seen {
				return fault.New(fault.Conflict, "coord.lock", "coord: lock: somebody deleted the node %s that queued for it", node.Path)
			}
		case !contender(c.root, ev.Node.Path):
		case ev.Kind == NodeDeleted:
			delete(older, ev.Node.Path)
		case ev.Node.Revision < node.Revision:
			older[ev.Node.Path] = ev.Node
		}
		if !synced || !seen {
			continue
		}
		if len(older) == 0 {
			return nil
		}
		if c.try {
			for _, n := range older {
				return heldError(c.root, n)
			}
		}
	}
}

// hold makes a held lock and guards it.
func (s *Session) hold(w *Watcher, node Node) *Lock {
	ctx, cancel := s.bind(context.Background())
	l := &Lock{session: s, node: node, done: make(chan struct{}), release: cancel}
	go func() {
		defer close(l.done)
		defer cancel()
		defer w.Close()
		for {
			ev, err := w.Next(ctx)
			if err != nil || ev.Kind == NodeDeleted && ev.Node.Path == node.Path {
				return
			}
		}
	}()
	return l
}

// withdraw deletes a contender's node, in the background if need be.
func (s *Session) withdraw(ctx context.Context, p string) error {
	if s.over() {
		return nil
	}
	err := s.driver.Delete(ctx, p)
	if err == nil || fault.Is(err, fault.NotFound) || fault.Is(err, fault.Conflict) || s.over() {
		return nil
	}
	s.discard(p)
	return opError("unlock", path.Dir(p), err)
}
