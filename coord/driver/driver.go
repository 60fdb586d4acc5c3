// Package driver is what a coordination engine must offer to carry package
// coord. Only drivers and package coord import it; everyone else uses
// *coord.Coord.
//
// # The model
//
// A tree of small nodes. A path is one or more segments of [A-Za-z0-9._-], each
// after a slash: /discovery/core.eta/core.eta-0190. Package coord validates paths
// and sizes (MaxData) before it calls a driver. Any path may hold a node,
// whether or not the paths above and below it do: what lies above a node is not
// itself a node until somebody writes it, and deleting a node leaves those below
// it alone. An engine whose tree works otherwise (ZooKeeper) keeps fillers that it
// never shows. The one exception: nobody may write below an ephemeral node, and
// what happens then is the driver's own affair.
//
// A node is persistent, or ephemeral: then it belongs to a session and exists
// only as long as that session.
//
// Every write gives its node a new revision. Revisions grow over the whole
// engine, never repeat, and survive restarts: of two writes, the one that was
// applied later has the greater revision. (JetStream's stream sequence;
// ZooKeeper's mzxid.) They serve as fencing tokens, which is why a driver may not
// make them up on its own side.
//
// # Contract of all calls
//
//   - Every method may be called concurrently with every other.
//   - A call blocks until the engine answered or its context ended, and at most
//     for the driver's own default timeout (about 5 s) if the context has no
//     deadline. While the engine is away a driver may wait for it within
//     the context; it need not.
//   - Writes are never repeated by package coord or by a driver on its own, so that a
//     conditional write cannot meet itself. A write that failed with Unavailable or
//     Timeout may or may not have been applied.
//   - Writes and reads are linearizable: a read that starts after a write returned, on
//     any connection, sees it. (ZooKeeper: sync before reading.)
//   - Byte slices handed in may be kept but not changed; those handed out belong
//     to the receiver and must not be changed by the driver afterwards.
//   - Errors are faults (package fault): NotFound, Conflict, BadRequest, Unavailable,
//     Timeout, Forbidden, or Internal. Messages need not name operation and
//     path: package coord does.
//   - No method starts goroutines that outlive Coord.Close.
package driver

import (
	"context"
	"time"
)

// MaxData is the largest node data in bytes that every driver carries.
const MaxData = 512 << 10

// Node is one node as it was at Revision.
type Node struct {
	Path     string
	Data     []byte
	Revision uint64
	Session  string // id of the owning session; empty for a persistent node
}

// Coord is a connection to a coordination engine.
type Coord interface {
	// Get returns the node at path, or NotFound. An ephemeral node whose
	// session has ended is not found.
	Get(ctx context.Context, path string) (Node, error)

	// List returns the node at prefix, if there is one, and all nodes below it, in
	// any order. The prefix "/" stands for all nodes. The result need
	// not be one instant's picture, but holds every node that existed during the whole call.
	List(ctx context.Context, prefix string) ([]Node, error)

	// Put writes a persistent node if cond holds and returns its new state. A
	// condition that does not hold is a Conflict. An ephemeral node at the path is replaced.
	Put(ctx context.Context, path string, data []byte, cond Condition) (Node, error)

	// Delete removes the node at path, persistent or ephemeral. Where there is
	// none it returns NotFound. If revision is not 0 and the node is at
	// another one, it returns Conflict.
	Delete(ctx context.Context, path string, revision uint64) error

	// NewSession opens a session that the driver keeps alive until it is closed.
	// A ttl outside of what the engine can do is BadRequest.
	NewSession(ctx context.Context, ttl time.Duration) (Session, error)

	// Watch reports the nodes at and below prefix to o, as Observer tells, until
	// stop is called. The context bounds the opening only. Once stop
	// returned, o is not called again; stop must not be called from within o.
	Watch(ctx context.Context, prefix string, o Observer) (stop func(), err error)

	// Close gives up sessions (their nodes go) and watches, and releases what the driver opened itself.
	// It ends in time even if the engine does not answer; nodes then go when their session's ttl is over.
	Close(ctx context.Context) error
}

// Session owns ephemeral nodes. The driver keeps it alive by itself.
type Session interface {
	// ID is unique over the engine and is never used again.
	ID() string

	// Create makes an ephemeral node. Conflict if the path holds a node; an
	// ephemeral node whose session has ended does not count.
	Create(ctx context.Context, path string, data []byte) (Node, error)

	// Set makes the path an ephemeral node of this session with this data,
	// whatever it held before, in one step: no reader finds the path empty in between.
	Set(ctx context.Context, path string, data []byte) (Node, error)

	// Delete removes an ephemeral node of this session. NotFound where there is
	// no node; Conflict where the node is not this session's.
	Delete(ctx context.Context, path string) error

	// Done is closed when the session is over: closed, declared gone by the
	// engine, or not renewed for its ttl by this side's clock. The driver judges the
	// last from the time it *sent* the last renewal that was confirmed, so that
	// Done closes before the engine lets anybody else have the nodes. A
	// session that is done stays done.
	Done() <-chan struct{}

	// Close ends the session and removes its nodes at once. Closing twice is no error.
	Close(ctx context.Context) error
}

// Observer receives the state below one prefix. Its methods do not block and the
// driver calls them one after another, never concurrently for one Observer.
//
// Snapshot comes first, and again whenever the driver cannot vouch that it saw
// every change (a reconnection, a gap): it carries all nodes present, in order of
// revision, and replaces everything reported before. Between snapshots Put and
// Delete report changes of single paths. States that lasted for a moment only
// may be left out; the last state of a path may not. When a node of revision r has been
// reported, then every node below the prefix that has a lower revision and
// still exists has been reported too: locks depend on it.
//
// A driver that loses the engine stays silent until it is back.
type Observer interface {
	Snapshot(nodes []Node)
	Put(node Node)
	// Delete tells that the path holds no node. The revision is that of the
	// deletion where the engine tells it, otherwise that of the last node seen there.
	Delete(path string, revision uint64)
	// Fail tells that the watch has ended for good without stop, as by Close. Nothing follows.
	Fail(err error)
}

// Condition is what must hold for a write to be applied. The zero Condition
// always holds.
type Condition struct {
	conditional bool
	revision    uint64
}

// IfRevision asks that the node is at exactly this revision; 0 asks that there
// is no node.
func IfRevision(revision uint64) Condition { return Condition{true, revision} }

// Revision returns the revision asked for, and whether any is.
func (c Condition) Revision() (revision uint64, conditional bool) {
	return c.revision, c.conditional
}
