// Package coord is the portable coordination interface: a tree of small nodes
// with compare-and-set, ephemeral nodes owned by sessions, watches, exclusive
// locks with fencing tokens, and leadership. The kernel's services and app
// import it; other services use the kernel instead.
//
// A *Coord is a connection to one region's coordination engine through a driver
// (natscoord for the embedded default).
//
// # Contracts
//
// Paths are /a/b/c with segments of [A-Za-z0-9._-]; see CheckPath. Data is at
// most MaxData bytes. Revisions grow with every write over the whole engine.
// Paths under /_locks and /_leaders belong to Lock and Lead: they can be read, not written.
//
// Errors are faults (package fault). NotFound and Conflict speak of nodes, BadRequest of
// the arguments. Unavailable and Timeout mean that the engine did not answer: a write
// may or may not have been applied. Nothing is retried behind the caller's back.
//
// Everything is safe for concurrent use. Slices passed in and returned must not be changed.
package coord

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hansom-platform/hansom/coord/driver"
	"github.com/hansom-platform/hansom/fault"
)

// MaxData is the largest data of one node, in bytes.
const MaxData = driver.MaxData

// DefaultLeadershipTTL is how long leadership survives its holder unless
// LeadershipTTL says otherwise.
const DefaultLeadershipTTL = 10 * time.Second

// Node is one node as it was at Revision. Session is the id of the session that
// owns it, empty for a persistent node.
type Node = driver.Node

// Coord is a connection to a coordination engine. Make one with New.
type Coord struct {
	driver  driver.Coord
	leadTTL time.Duration
	log     *slog.Logger

	mu       sync.Mutex
	closed   bool
	watchers map[*Watcher]struct{}
}

// Option configures a Coord.
type Option interface{ apply(*Coord) }

type optionFunc func(*Coord)

func (f optionFunc) apply(c *Coord) { f(c) }

// LeadershipTTL sets the ttl of the sessions that Lead opens.
func LeadershipTTL(ttl time.Duration) Option {
	return optionFunc(func(c *Coord) { c.leadTTL = ttl })
}

// Logger sets where Lead reports failed terms, by default slog.Default().
func Logger(log *slog.Logger) Option {
	return optionFunc(func(c *Coord) { c.log = log })
}

// New puts the portable interface on top of a driver. The Coord owns the driver
// and closes it.
func New(d driver.Coord, opts ...Option) *Coord {
	c := &Coord{
		driver:   d,
		leadTTL:  DefaultLeadershipTTL,
		log:      slog.Default(),
		watchers: make(map[*Watcher]struct{}),
	}
	for _, o := range opts {
		o.apply(c)
	}
	return c
}

// Close ends all sessions, whose nodes go at once, and all watchers, and closes
// the driver. Should the engine not answer within ctx, nodes go when their
// session's ttl is over. Closing twice is no error.
func (c *Coord) Close(ctx context.Context) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	watchers := make([]*Watcher, 0, len(c.watchers))
	for w := range c.watchers {
		watchers = append(watchers, w)
	}
	c.mu.Unlock()
	for _, w := range watchers {
		w.Close()
	}
	if err := c.driver.Close(ctx); err != nil {
		return opError("close", "", err)
	}
	return nil
}

// Get returns the node at path, or NotFound.
func (c *Coord) Get(ctx context.Context, path string) (Node, error) {
	if err := CheckPath(path); err != nil {
		return Node{}, err
	}
	n, err := c.driver.Get(ctx, path)
	if err != nil {
		return Node{}, opError("get", path, err)
	}
	return n, nil
}

// List returns the node at prefix, if there is one, and all nodes below it,
// sorted by path. The prefix "/" stands for everything.
func (c *Coord) List(ctx context.Context, prefix string) ([]Node, error) {
	if err := checkPrefix(prefix); err != nil {
		return nil, err
	}
	nodes, err := c.driver.List(ctx, prefix)
	if err != nil {
		return nil, opError("list", prefix, err)
	}
	slices.SortFunc(nodes, func(a, b Node) int { return strings.Compare(a.Path, b.Path) })
	return nodes, nil
}

// Put writes a persistent node, whatever the path held before.
func (c *Coord) Put(ctx context.Context, path string, data []byte) (Node, error) {
	return c.put(ctx, "put", path, data, driver.Condition{})
}

// CompareAndSet writes a persistent node if the path is at the given revision; 0
// means that it must hold no node. Otherwise it returns Conflict.
func (c *Coord) CompareAndSet(ctx context.Context, path string, data []byte, revision uint64) (Node, error) {
	return c.put(ctx, "compare-and-set", path, data, driver.IfRevision(revision))
}

func (c *Coord) put(ctx context.Context, op, path string, data []byte, cond driver.Condition) (Node, error) {
	if err := checkWrite(path, data); err != nil {
		return Node{}, err
	}
	n, err := c.driver.Put(ctx, path, data, cond)
	if err != nil {
		return Node{}, opError(op, path, err)
	}
	return n, nil
}

// Delete removes the node at path, persistent or ephemeral, or returns NotFound.
// Nodes below it stay.
func (c *Coord) Delete(ctx context.Context, path string) error {
	return c.delete(ctx, path, 0)
}

// CompareAndDelete removes the node at path if it is at the given revision.
// Otherwise it returns Conflict, or NotFound where there is no node.
func (c *Coord) CompareAndDelete(ctx context.Context, path string, revision uint64) error {
	if revision == 0 {
		return fault.New(fault.BadRequest, "coord.revision",
			"compare-and-delete %s: revision 0 is no node's; pass the revision that Get returned", path)
	}
	return c.delete(ctx, path, revision)
}

func (c *Coord) delete(ctx context.Context, path string, revision uint64) error {
	if err := checkWrite(path, nil); err != nil {
		return err
	}
	if err := c.driver.Delete(ctx, path, revision); err != nil {
		return opError("delete", path, err)
	}
	return nil
}

// ErrClosed is in the chain of errors that arise because the Coord or the
// Watcher was closed on this side.
var ErrClosed = errors.New("closed")
