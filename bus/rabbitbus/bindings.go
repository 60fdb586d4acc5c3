package rabbitbus

import (
	"context"
	"crypto/rand"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// keeper is what a connection has that looks after the bindings of its zone. The zero value is ready.
type keeper struct {
	named  sync.Once
	name   string // of the connection in announcements
	mirror mirror

	applies changes // of the own zone's bindings
	joins   changes // of the others'

	searching atomic.Int64 // direct requests that are asked for in other zones
}

// A turn is a lock that is waited for within a context. The zero value is free.
type turn struct {
	once sync.Once
	room chan struct{}
}

// take waits for what, which has the turn.
func (t *turn) take(ctx context.Context, what string) (give func(), err error) {
	t.once.Do(func() { t.room = make(chan struct{}, 1) })
	select {
	case t.room <- struct{}{}:
		return func() { <-t.room }, nil
	case <-ctx.Done():
		return nil, fault.Wrap(ctx.Err(), fault.Unavailable, driver.ReasonEngine, "%s did not end in time", what)
	}
}

// changes of bindings are made one at a time.
type changes struct {
	turn
	owed map[recordKey]bool // changed, and perhaps not announced to all; whoever has the turn may use it
}

func (c *conn) identity() string {
	c.keeper.named.Do(func() { c.keeper.name = rand.Text() })
	return c.keeper.name
}

// Apply implements driver.Bus.
func (c *conn) Apply(ctx context.Context, z driver.Zone, bindings []driver.Binding) error {
	if z != c.config.Zone {
		return fault.New(fault.BadRequest, driver.ReasonBadBinding,
			"this connection keeps the bindings of %s and cannot apply those of %s: open one of that zone", c.config.Zone, z)
	}
	wanted, err := recordsOf(z, bindings)
	if err != nil {
		return err
	}
	give, err := c.keeper.applies.take(ctx, "an earlier change of bindings")
	if err != nil {
		return err
	}
	defer give()
	if err := c.see(ctx); err != nil {
		return err
	}
	own := c.keeper.mirror.snapshot(func(k recordKey) bool { return k.Zone == z && !k.Remote })
	now := leftAt(time.Now())
	for key, r := range own {
		if _, ok := wanted[key]; !ok {
			if len(r.Bindings) > 0 {
				r.Left = now
			}
			wanted[key] = record{recordKey: key, Left: r.Left}
		}
	}
	return c.rebind(ctx, &c.keeper.applies, wanted)
}

// see makes the mirror what is bound at the time of the call, as far as announcements tell.
func (c *conn) see(ctx context.Context) error {
	if _, err := c.session(ctx); err != nil {
		return err
	}
	if err := c.follow(ctx); err != nil {
		return err
	}
	m := &c.keeper.mirror
	if err := m.awaitEar(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	doubtful := m.doubtful
	m.mu.Unlock()
	if e := m.ear.Load(); e == nil || e.ctx.Err() != nil {
		return c.load(ctx) // the connection is back and does not hear announcements yet
	}
	if doubtful {
		if err := c.load(ctx); err != nil {
			return err
		}
	}
	return c.barrier(ctx)
}

// Bindings implements driver.Bus. It reads the engine, and mends the mirror by that.
func (c *conn) Bindings(ctx context.Context, z driver.Zone) ([]driver.Binding, error) {
	if z != c.config.Zone {
		return nil, fault.New(fault.BadRequest, driver.ReasonBadBinding,
			"this connection keeps the bindings of %s and does not know those of %s: open one of that zone", c.config.Zone, z)
	}
	if err := c.see(ctx); err != nil {
		return nil, err
	}
	if err := c.load(ctx); err != nil {
		return nil, err
	}
	var all []driver.Binding
	for _, r := range c.keeper.mirror.snapshot(func(k recordKey) bool { return k.Zone == z && !k.Remote }) {
		all = append(all, r.Bindings...)
	}
	slices.SortStableFunc(all, compareBindings)
	return all, nil
}

// rebind makes exactly these records of what is bound, announces those that changed, and leaves others
// alone. New bindings come before old ones go. The caller has the turn of by.
func (c *conn) rebind(ctx context.Context, by *changes, wanted map[recordKey]record) error {
	m := &c.keeper.mirror
	have := m.snapshot(func(k recordKey) bool { _, ok := wanted[k]; return ok })
	var add, remove []boundEntry
	var changed []record
	for _, key := range sortedKeys(wanted) {
		r, was := wanted[key], have[key]
		if r.equals(was) {
			continue
		}
		before, after := was.entries(), r.entries()
		plus, minus := missing(after, before), missing(before, after)
		if len(plus)+len(minus) > 0 {
			changed = append(changed, r)
		}
		add, remove = append(add, plus...), append(remove, minus...)
	}
	err := c.pipelined(ctx, add, bind)
	if err == nil {
		err = c.pipelined(ctx, remove, unbind)
	}
	if err != nil {
		m.doubt()
		return err
	}
	m.set(changed)
	return c.tell(ctx, by, changed)
}

// tell announces changed records, and those that earlier announcements failed to.
func (c *conn) tell(ctx context.Context, by *changes, changed []record) error {
	if by.owed == nil {
		by.owed = map[recordKey]bool{}
	}
	for _, r := range changed {
		by.owed[r.recordKey] = true
	}
	if len(by.owed) == 0 {
		return nil
	}
	present := c.keeper.mirror.snapshot(func(k recordKey) bool { return by.owed[k] })
	for k := range by.owed {
		if _, ok := present[k]; !ok {
			present[k] = record{recordKey: k}
		}
	}
	if err := c.announce(ctx, announcement{Records: slices.Collect(maps.Values(present))}); err != nil {
		c.keeper.mirror.doubt()
		return err
	}
	clear(by.owed)
	return nil
}

// missing lists what a has and b lacks, in one order.
func missing(a, b map[string]boundEntry) (all []boundEntry) {
	for _, k := range slices.Sorted(maps.Keys(a)) {
		if _, ok := b[k]; !ok {
			all = append(all, a[k])
		}
	}
	return all
}

func bind(ch *amqp.Channel, e boundEntry) error {
	return ch.ExchangeBind(e.destination, e.service, exchangeRequests, true, e.arguments)
}

func unbind(ch *amqp.Channel, e boundEntry) error {
	return ch.ExchangeUnbind(e.destination, e.service, exchangeRequests, true, e.arguments)
}

const (
	pipes       = 4   // channels that bindings are changed on at once
	pipeMinimum = 100 // changes that are worth another channel
)

// pipelined makes changes without waiting for each, and returns when the broker has made all.
func (c *conn) pipelined(ctx context.Context, all []boundEntry, change func(*amqp.Channel, boundEntry) error) error {
	if len(all) == 0 {
		return nil
	}
	s, err := c.session(ctx)
	if err != nil {
		return err
	}
	n := min(pipes, 1+len(all)/pipeMinimum)
	results := make(chan error, n)
	for i := range n {
		part := all[i*len(all)/n : (i+1)*len(all)/n]
		go func() { results <- s.change(ctx, part, change) }()
	}
	for range n {
		if failed := <-results; err == nil {
			err = failed
		}
	}
	return err
}

// change makes changes on one channel. The broker works on them in order, and answers the last one.
func (s *session) change(ctx context.Context, part []boundEntry, change func(*amqp.Channel, boundEntry) error) error {
	ch, err := s.channel(ctx)
	if err != nil {
		return err
	}
	err = perform(ctx, ch, func() error {
		refused := ch.NotifyClose(make(chan *amqp.Error, 1))
		for _, e := range part {
			if err := change(ch, e); err != nil {
				return reasonOf(refused, err)
			}
		}
		err := ch.ExchangeDeclarePassive(exchangeRequests, typeRequests, true, false, false, false, nil)
		return reasonOf(refused, err)
	})
	if err == nil {
		release(ch)
	}
	return engineError(err, "change the bindings of "+part[0].service+" and others")
}

// reasonOf returns why the broker closed a channel, where it said so and something failed.
func reasonOf(refused <-chan *amqp.Error, err error) error {
	if err == nil {
		return nil
	}
	select {
	case reason, ok := <-refused:
		if ok && reason != nil {
			return reason
		}
	default:
	}
	return err
}
