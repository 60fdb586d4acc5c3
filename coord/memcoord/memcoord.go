// Package memcoord is a coordination engine in memory, for tests of what is
// built on package coord: several connections to one engine, outages, and
// connections that die without a word. It needs no real time, so that it works
// in a testing/synctest bubble. Only tests import it.
package memcoord

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hansom-platform/hansom/coord/driver"
	"github.com/hansom-platform/hansom/fault"
)

// Engine holds the tree. Make one with New.
type Engine struct {
	mu       sync.Mutex
	stopped  bool
	revision uint64
	nodes    map[string]driver.Node
	sessions map[string]*session
	conns    map[*conn]struct{}
}

// New returns an empty engine that runs.
func New() *Engine {
	return &Engine{
		nodes:    map[string]driver.Node{},
		sessions: map[string]*session{},
		conns:    map[*conn]struct{}{},
	}
}

// Open returns a connection.
func (e *Engine) Open() driver.Coord {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := &conn{engine: e, watches: map[*watch]struct{}{}}
	e.conns[c] = struct{}{}
	return c
}

// Stop begins an outage: calls fail, watches are silent, and sessions end when
// their ttl is over first.
func (e *Engine) Stop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stopped = true
	for _, s := range e.sessions {
		s.starve()
	}
}

// Start ends the outage.
func (e *Engine) Start() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stopped = false
	for _, s := range e.sessions {
		if !s.conn.severed {
			s.renew()
		}
	}
	for c := range e.conns {
		for w := range c.watches {
			w.observer.Snapshot(e.under(w.prefix))
		}
	}
}

// Sever cuts a connection off for good, as the death of its process does. Its
// sessions end when their ttl is over.
func (e *Engine) Sever(d driver.Coord) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := d.(*conn)
	c.severed = true
	for _, s := range e.sessions {
		if s.conn == c {
			s.starve()
		}
	}
	clear(c.watches)
	delete(e.conns, c)
}

func (e *Engine) under(prefix string) []driver.Node {
	var found []driver.Node
	for path, n := range e.nodes {
		if within(prefix, path) {
			found = append(found, n)
		}
	}
	slices.SortFunc(found, func(a, b driver.Node) int { return cmp.Compare(a.Revision, b.Revision) })
	return found
}

func within(prefix, path string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return prefix == "/" || ok && (rest == "" || rest[0] == '/')
}

func (e *Engine) put(path string, data []byte, session string) driver.Node {
	e.revision++
	n := driver.Node{Path: path, Data: slices.Clone(data), Revision: e.revision, Session: session}
	e.nodes[path] = n
	e.tell(path, func(o driver.Observer) { o.Put(n) })
	return n
}

func (e *Engine) remove(path string) {
	e.revision++
	delete(e.nodes, path)
	e.tell(path, func(o driver.Observer) { o.Delete(path, e.revision) })
}

func (e *Engine) tell(path string, f func(driver.Observer)) {
	if e.stopped {
		return
	}
	for c := range e.conns {
		for w := range c.watches {
			if within(w.prefix, path) {
				f(w.observer)
			}
		}
	}
}

// end ends a session and removes its nodes.
func (e *Engine) end(s *session) {
	if e.sessions[s.id] != s {
		return
	}
	s.renew()
	s.lapse()
	delete(e.sessions, s.id)
	for _, n := range e.under("/") {
		if n.Session == s.id {
			e.remove(n.Path)
		}
	}
}

type conn struct {
	engine  *Engine
	severed bool
	closed  bool
	watches map[*watch]struct{}
}

var _ driver.Coord = (*conn)(nil)

type watch struct {
	prefix   string
	observer driver.Observer
}

// enter locks the engine for one call, or tells why it cannot be made.
func (c *conn) enter(ctx context.Context) error {
	c.engine.mu.Lock()
	err := ctx.Err()
	if err == nil && (c.severed || c.closed || c.engine.stopped) {
		err = fault.New(fault.Unavailable, "coord.memory.away", "the engine cannot be reached")
	}
	if err != nil {
		c.engine.mu.Unlock()
	}
	return err
}

func (c *conn) leave() { c.engine.mu.Unlock() }

func errNoNode() error {
	return fault.New(fault.NotFound, "coord.memory.no_node", "there is no such node")
}

// Get implements driver.Coord.
func (c *conn) Get(ctx context.Context, path string) (driver.Node, error) {
	if err := c.enter(ctx); err != nil {
		return driver.Node{}, err
	}
	defer c.leave()
	n, ok := c.engine.nodes[path]
	if !ok {
		return n, errNoNode()
	}
	return n, nil
}

// List implements driver.Coord.
func (c *conn) List(ctx context.Context, prefix string) ([]driver.Node, error) {
	if err := c.enter(ctx); err != nil {
		return nil, err
	}
	defer c.leave()
	return c.engine.under(prefix), nil
}

// Put implements driver.Coord.
func (c *conn) Put(ctx context.Context, path string, data []byte, cond driver.Condition) (driver.Node, error) {
	if err := c.enter(ctx); err != nil {
		return driver.Node{}, err
	}
	defer c.leave()
	if want, conditional := cond.Revision(); conditional && c.engine.nodes[path].Revision != want {
		return driver.Node{}, errRevision(want, c.engine.nodes[path].Revision)
	}
	return c.engine.put(path, data, ""), nil
}

func errRevision(want, got uint64) error {
	return fault.New(fault.Conflict, "coord.memory.revision", "the node is at revision %d, not %d", got, want)
}

// Delete implements driver.Coord.
func (c *conn) Delete(ctx context.Context, path string, revision uint64) error {
	if err := c.enter(ctx); err != nil {
		return err
	}
	defer c.leave()
	n, ok := c.engine.nodes[path]
	switch {
	case !ok:
		return errNoNode()
	case revision != 0 && n.Revision != revision:
		return errRevision(revision, n.Revision)
	}
	c.engine.remove(path)
	return nil
}

// Watch implements driver.Coord.
func (c *conn) Watch(ctx context.Context, prefix string, o driver.Observer) (func(), error) {
	if err := c.enter(ctx); err != nil {
		return nil, err
	}
	defer c.leave()
	w := &watch{prefix, o}
	c.watches[w] = struct{}{}
	o.Snapshot(c.engine.under(prefix))
	return func() {
		c.engine.mu.Lock()
		defer c.engine.mu.Unlock()
		delete(c.watches, w)
	}, nil
}

// Close implements driver.Coord.
func (c *conn) Close(context.Context) error {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	c.closed = true
	for w := range c.watches {
		w.observer.Fail(fault.New(fault.Unavailable, "coord.memory.closed", "the connection was closed"))
	}
	clear(c.watches)
	delete(c.engine.conns, c)
	for _, s := range c.engine.sessions {
		switch {
		case s.conn != c:
		case c.severed: // the engine does not hear of it
			s.lapse()
		default:
			c.engine.end(s)
		}
	}
	return nil
}

// NewSession implements driver.Coord.
func (c *conn) NewSession(ctx context.Context, ttl time.Duration) (driver.Session, error) {
	if err := c.enter(ctx); err != nil {
		return nil, err
	}
	defer c.leave()
	if ttl > maxTTL {
		return nil, fault.New(fault.BadRequest, "coord.memory.ttl", "a ttl of %v is longer than %v", ttl, maxTTL)
	}
	c.engine.revision++
	s := &session{conn: c, id: "s" + strconv.FormatUint(c.engine.revision, 10), ttl: ttl, done: make(chan struct{})}
	c.engine.sessions[s.id] = s
	return s, nil
}

const (
	maxTTL = time.Hour
	grace  = 50 * time.Millisecond // between the end of a session on its owner's side and on the engine's
)

type session struct {
	conn *conn
	id   string
	ttl  time.Duration
	done chan struct{}
	over bool          // done is closed
	ends []*time.Timer // run while nothing renews the session
}

// starve ends the session after its ttl unless it is renewed before.
func (s *session) starve() {
	if len(s.ends) > 0 {
		return
	}
	locked := func(f func()) func() {
		return func() {
			s.conn.engine.mu.Lock()
			defer s.conn.engine.mu.Unlock()
			f()
		}
	}
	s.ends = []*time.Timer{
		time.AfterFunc(s.ttl, locked(s.lapse)),
		time.AfterFunc(s.ttl+grace, locked(func() { s.conn.engine.end(s) })),
	}
}

// lapse ends the session on its owner's side, which cannot be undone.
func (s *session) lapse() {
	if !s.over {
		s.over = true
		close(s.done)
	}
}

func (s *session) renew() {
	if s.over {
		return
	}
	for _, t := range s.ends {
		t.Stop()
	}
	s.ends = nil
}

// ID implements driver.Session.
func (s *session) ID() string { return s.id }

// Done implements driver.Session.
func (s *session) Done() <-chan struct{} { return s.done }

// enter is as that of the connection, and fails once the session is over.
func (s *session) enter(ctx context.Context) error {
	if err := s.conn.enter(ctx); err != nil {
		return err
	}
	if s.over {
		s.conn.leave()
		return fault.New(fault.Unavailable, "coord.memory.session", "the session is over")
	}
	return nil
}

// Create implements driver.Session.
func (s *session) Create(ctx context.Context, path string, data []byte) (driver.Node, error) {
	if err := s.enter(ctx); err != nil {
		return driver.Node{}, err
	}
	defer s.conn.leave()
	if n, ok := s.conn.engine.nodes[path]; ok {
		return driver.Node{}, errRevision(0, n.Revision)
	}
	return s.conn.engine.put(path, data, s.id), nil
}

// Set implements driver.Session.
func (s *session) Set(ctx context.Context, path string, data []byte) (driver.Node, error) {
	if err := s.enter(ctx); err != nil {
		return driver.Node{}, err
	}
	defer s.conn.leave()
	return s.conn.engine.put(path, data, s.id), nil
}

// Delete implements driver.Session.
func (s *session) Delete(ctx context.Context, path string) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.conn.leave()
	n, ok := s.conn.engine.nodes[path]
	switch {
	case !ok:
		return errNoNode()
	case n.Session != s.id:
		return fault.New(fault.Conflict, "coord.memory.owner", "the node is not this session's")
	}
	s.conn.engine.remove(path)
	return nil
}

// Close implements driver.Session.
func (s *session) Close(ctx context.Context) error {
	s.conn.engine.mu.Lock()
	defer s.conn.engine.mu.Unlock()
	if s.conn.severed || s.conn.engine.stopped {
		return fault.New(fault.Unavailable, "coord.memory.away", "the engine cannot be reached")
	}
	s.conn.engine.end(s)
	return ctx.Err()
}
