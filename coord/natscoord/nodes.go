package natscoord

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansom-platform/hansom/coord/driver"
	"github.com/hansom-platform/hansom/fault"
)

// maxContention is how often a write is tried anew after it met a concurrent one.
const maxContention = 16

// record is the last message of a subject.
type record struct {
	seq     uint64 // 0 if there is none
	live    bool   // it holds a value rather than a deletion
	session string
	data    []byte
}

func newRecord(seq uint64, header nats.Header, data []byte) record {
	return record{
		seq:     seq,
		live:    header.Get(headerOperation) == "" && header.Get(headerMarker) == "",
		session: header.Get(headerSession),
		data:    data,
	}
}

func (r record) node(path string) driver.Node {
	return driver.Node{Path: path, Data: r.data, Revision: r.seq, Session: r.session}
}

// last reads the last message of a subject from the stream's leader.
func (c *Coord) last(ctx context.Context, subject string) (record, error) {
	ctx, release, err := c.link.bind(ctx)
	if err != nil {
		return record{}, translate(context.Background(), err)
	}
	defer release()
	m, err := persist(ctx, func(ctx context.Context) (*jetstream.RawStreamMsg, error) {
		return c.stream.GetLastMsgForSubject(ctx, subject)
	})
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return record{}, nil
	}
	if err != nil {
		return record{}, translate(ctx, err)
	}
	return newRecord(m.Sequence, m.Header, m.Data), nil
}

// lastNode reads the node at path; live is false also if its session is over.
func (c *Coord) lastNode(ctx context.Context, path string) (record, error) {
	r, err := c.last(ctx, c.names.node(path))
	for err == nil && r.live && r.session != "" {
		owner, err := c.last(ctx, c.names.session(r.session))
		if err != nil || owner.live {
			return r, err
		}
		// Somebody may have taken the node over before its session ended.
		again, err := c.last(ctx, c.names.node(path))
		if err != nil || again.seq == r.seq {
			r.live = false
			return r, err
		}
		r = again
	}
	return r, err
}

// publish writes one message and returns its sequence.
func (c *Coord) publish(ctx context.Context, m *nats.Msg, opts ...jetstream.PublishOpt) (uint64, error) {
	ctx, release, err := c.link.bind(ctx)
	if err != nil {
		return 0, translate(context.Background(), err)
	}
	defer release()
	ack, err := c.js.PublishMsg(ctx, m, opts...)
	if err != nil {
		return 0, translate(ctx, err)
	}
	return ack.Sequence, nil
}

func (c *Coord) nodeMsg(path string, data []byte, session string) *nats.Msg {
	m := &nats.Msg{Subject: c.names.node(path), Data: data, Header: nats.Header{}}
	if session != "" {
		m.Header.Set(headerSession, session)
	}
	return m
}

// purge replaces what the subject holds by a deletion, which goes by itself later.
func (c *Coord) purge(ctx context.Context, subject string, opts ...jetstream.PublishOpt) error {
	m := &nats.Msg{Subject: subject, Header: nats.Header{}}
	m.Header.Set(headerOperation, operationPurge)
	m.Header.Set(headerRollup, rollupSubject)
	_, err := c.publish(ctx, m, append(opts, jetstream.WithMsgTTL(markerTTL))...)
	return err
}

// Get implements driver.Coord.
func (c *Coord) Get(ctx context.Context, path string) (driver.Node, error) {
	r, err := c.lastNode(ctx, path)
	if err != nil {
		return driver.Node{}, err
	}
	if !r.live {
		return driver.Node{}, errNotFound
	}
	return r.node(path), nil
}

// Put implements driver.Coord.
func (c *Coord) Put(ctx context.Context, path string, data []byte, cond driver.Condition) (driver.Node, error) {
	revision, conditional := cond.Revision()
	var seq uint64
	var err error
	switch {
	case !conditional:
		seq, err = c.publish(ctx, c.nodeMsg(path, data, ""))
	case revision == 0:
		seq, err = c.create(ctx, path, data, "")
	default:
		seq, err = c.replace(ctx, path, data, revision)
	}
	if err != nil {
		return driver.Node{}, err
	}
	return driver.Node{Path: path, Data: data, Revision: seq}, nil
}

// replace reads before it writes since the subject may be at the given sequence
// and yet hold a deletion or a dead session's node.
func (c *Coord) replace(ctx context.Context, path string, data []byte, revision uint64) (uint64, error) {
	r, err := c.lastNode(ctx, path)
	if err != nil {
		return 0, err
	}
	if !r.live || r.seq != revision {
		return 0, errMismatch(revision, r.seq)
	}
	return c.publish(ctx, c.nodeMsg(path, data, ""), jetstream.WithExpectLastSequencePerSubject(revision))
}

// create writes a node where there is none. A deletion or a dead session's node
// on the subject is none, but its sequence must be named in the condition.
func (c *Coord) create(ctx context.Context, path string, data []byte, session string) (uint64, error) {
	var expect uint64
	for range maxContention {
		seq, err := c.publish(ctx, c.nodeMsg(path, data, session), jetstream.WithExpectLastSequencePerSubject(expect))
		if !fault.Is(err, fault.Conflict) {
			return seq, err
		}
		r, err := c.lastNode(ctx, path)
		if err != nil {
			return 0, err
		}
		if r.live {
			return 0, errExists(r.seq)
		}
		expect = r.seq
	}
	return 0, errContended
}

// Delete implements driver.Coord.
func (c *Coord) Delete(ctx context.Context, path string, revision uint64) error {
	return c.deleteIf(ctx, path, func(r record) error {
		if revision != 0 && r.seq != revision {
			return errMismatch(revision, r.seq)
		}
		return nil
	})
}

// deleteIf deletes a node that check accepts.
func (c *Coord) deleteIf(ctx context.Context, path string, check func(record) error) error {
	for range maxContention {
		r, err := c.lastNode(ctx, path)
		if err != nil {
			return err
		}
		if !r.live {
			return errNotFound
		}
		if err := check(r); err != nil {
			return err
		}
		err = c.purge(ctx, c.names.node(path), jetstream.WithExpectLastSequencePerSubject(r.seq))
		if !fault.Is(err, fault.Conflict) {
			return err
		}
	}
	return errContended
}

// List implements driver.Coord.
func (c *Coord) List(ctx context.Context, prefix string) ([]driver.Node, error) {
	ctx, release, err := c.link.bind(ctx)
	if err != nil {
		return nil, translate(context.Background(), err)
	}
	defer release()
	filters := append(c.names.nodesUnder(prefix), c.names.sessions())
	var barrier uint64
	if c.replicas > 1 {
		if barrier, err = c.barrier(ctx); err != nil {
			return nil, err
		}
		filters = append(filters, c.names.barrier(c.id))
	}
	for {
		nodes, err := c.readAll(ctx, prefix, filters, barrier)
		if err == nil {
			return nodes, nil
		}
		if ctx.Err() != nil || !transient(err) {
			return nil, translate(ctx, err)
		}
	}
}

func (c *Coord) readAll(ctx context.Context, prefix string, filters []string, until uint64) ([]driver.Node, error) {
	f, err := c.openFeed(ctx, filters)
	if err != nil {
		return nil, err
	}
	defer f.close()
	t := newTree()
	if err := f.fill(ctx, t, until); err != nil {
		return nil, err
	}
	return t.visible(prefix), nil
}

// barrier writes a message of this connection's own. Whoever has read it in
// stream order has read everything written before.
func (c *Coord) barrier(ctx context.Context) (uint64, error) {
	return c.publish(ctx, &nats.Msg{Subject: c.names.barrier(c.id)}, jetstream.WithMsgTTL(barrierTTL))
}
