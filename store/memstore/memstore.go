// Package memstore is a store in memory, for tests: a real implementation of the
// driver's contract that passes its conformance suite, except that nothing outlives the process.
// Tests of packages that use store import it; production code must not.
//
//	s := store.New(memstore.New())
//
// An Engine has any number of connections, and can be stopped and started to test what its
// users do while the store is away. Time is time.Now, and so virtual in testing/synctest bubbles.
package memstore

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/tidwall/btree"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store/driver"
)

// Engine holds the records. Its connections are independent drivers.
type Engine struct {
	mu         sync.RWMutex
	stopped    bool
	revision   uint64
	partitions map[driver.Partition]*btree.Map[string, driver.Record]
}

// NewEngine returns an empty engine, started.
func NewEngine() *Engine {
	return &Engine{partitions: make(map[driver.Partition]*btree.Map[string, driver.Record])}
}

// New returns a connection to an empty engine of its own.
func New() driver.Store { return NewEngine().Open() }

// Open returns a connection.
func (e *Engine) Open() driver.Store { return &conn{engine: e} }

// Stop makes all calls fail with Unavailable until Start. Records stay.
func (e *Engine) Stop() { e.setStopped(true) }

// Start ends Stop.
func (e *Engine) Start() { e.setStopped(false) }

func (e *Engine) setStopped(stopped bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stopped = stopped
}

// conn is one connection. Its closed is guarded by the engine's lock.
type conn struct {
	engine *Engine
	closed bool
}

// ready tells why a call cannot be served. The engine's lock must be held.
func (c *conn) ready(ctx context.Context) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case c.closed:
		return fault.New(fault.Unavailable, driver.ReasonClosed, "the store was closed on this side")
	case c.engine.stopped:
		return fault.New(fault.Unavailable, "store.stopped", "the engine is stopped")
	}
	return nil
}

func (c *conn) Get(ctx context.Context, at driver.Partition, clustering string) (driver.Record, error) {
	c.engine.mu.RLock()
	defer c.engine.mu.RUnlock()
	if err := c.ready(ctx); err != nil {
		return driver.Record{}, err
	}
	r, ok := c.engine.live(at, clustering, time.Now())
	if !ok {
		return driver.Record{}, fault.New(fault.NotFound, driver.ReasonNotFound, "there is no such record")
	}
	return handOut(r), nil
}

func (c *conn) Apply(ctx context.Context, at driver.Partition, ops []driver.Op) ([]driver.Record, error) {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	if err := c.ready(ctx); err != nil {
		return nil, err
	}
	now := time.Now()
	for i, op := range ops {
		r, _ := c.engine.live(at, op.Clustering, now) // where there is none, its revision is 0
		if !op.If.Holds(r.Revision) {
			return nil, &driver.Refused{Op: i, Revision: r.Revision}
		}
	}
	return c.engine.apply(at, ops, now), nil
}

func (c *conn) Range(ctx context.Context, at driver.Partition, span driver.Span) ([]driver.Record, bool, error) {
	c.engine.mu.RLock()
	defer c.engine.mu.RUnlock()
	if err := c.ready(ctx); err != nil {
		return nil, false, err
	}
	p := pager{span: span, now: time.Now()}
	if records := c.engine.partitions[at]; records != nil {
		p.read(records)
	}
	return p.records, p.more, nil
}

func (c *conn) Check(ctx context.Context) error {
	c.engine.mu.RLock()
	defer c.engine.mu.RUnlock()
	return c.ready(ctx)
}

func (c *conn) Close(context.Context) error {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	c.closed = true
	return nil
}

// live returns the record at a key unless it has expired.
func (e *Engine) live(at driver.Partition, clustering string, now time.Time) (driver.Record, bool) {
	records := e.partitions[at]
	if records == nil {
		return driver.Record{}, false
	}
	r, ok := records.Get(clustering)
	if !ok || expired(r, now) {
		return driver.Record{}, false
	}
	return r, true
}

// apply does operations whose conditions hold.
func (e *Engine) apply(at driver.Partition, ops []driver.Op, now time.Time) []driver.Record {
	records := e.partitions[at]
	if records == nil {
		records = new(btree.Map[string, driver.Record])
		e.partitions[at] = records
	}
	written := make([]driver.Record, len(ops))
	for i, op := range ops {
		written[i].Clustering = op.Clustering
		if op.Delete {
			records.Delete(op.Clustering)
			continue
		}
		e.revision++
		written[i].Revision = e.revision
		if op.TTL > 0 {
			written[i].Expires = now.Add(op.TTL).Round(0).UTC()
		}
		kept := written[i]
		kept.Value = slices.Clone(op.Value)
		records.Set(op.Clustering, kept)
	}
	if records.Len() == 0 {
		delete(e.partitions, at)
	}
	return written
}

// pager collects one page.
type pager struct {
	span    driver.Span
	now     time.Time
	records []driver.Record
	bytes   int
	more    bool
}

func (p *pager) read(records *btree.Map[string, driver.Record]) {
	switch {
	case !p.span.Reverse:
		records.Ascend(p.span.From, p.add)
	case p.span.To == "":
		records.Reverse(p.add)
	default:
		records.Descend(p.span.To, p.add)
	}
}

// add takes the next record in order and tells whether to go on.
func (p *pager) add(key string, r driver.Record) bool {
	switch {
	case p.span.To != "" && key >= p.span.To:
		return p.span.Reverse // going down, the end itself comes first
	case key < p.span.From:
		return false
	case expired(r, p.now):
		return true
	case len(p.records) == p.span.Limit || p.bytes >= driver.PageBytes:
		p.more = true
		return false
	}
	p.records = append(p.records, handOut(r))
	p.bytes += len(r.Value)
	return true
}

func handOut(r driver.Record) driver.Record {
	r.Value = slices.Clone(r.Value)
	return r
}

func expired(r driver.Record, now time.Time) bool {
	return !r.Expires.IsZero() && !now.Before(r.Expires)
}
