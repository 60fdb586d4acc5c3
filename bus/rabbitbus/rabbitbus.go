// Package rabbitbus is the bus on RabbitMQ 3.10 or newer with the plugin rabbitmq_h2_exchange.
// Package app opens it; everything else uses package bus.
//
// The broker applies the routing rule: requests go to the exchange h2 of type x-h2, whose
// bindings the zone's binding service makes, and replies straight back. Zones are joined by
// static federation. The names of exchanges and headers are in names.go, those of events' queues in
// queues.go, of federation in federation.go and of bindings' arguments in record.go; the form of a
// message is in wire.go, and docs/decisions/0016 and 0021 say why.
//
// While the broker is away, calls wait for it up to two seconds within their own deadline, then
// fail with Unavailable, reason "bus.disconnected": nothing was sent. A request that was sent when
// the connection broke fails with Unavailable, reason "bus.connection_lost": it may have been handled.
//
// A budget counts from the receipt, and what waited for a process that stood still is aged by
// that (driver.Pulse). The broker drops what waited in it for longer than its budget.
//
// A durable group lives in every zone that has a member of it, as a quorum queue there, and each of these
// gets each event of the region: what an event does must bear repetition, in two zones as well. A quorum
// queue stands still while half of its nodes are away: publishing to its topic is Unavailable then.
// docs/decisions/0017 has the reasons.
package rabbitbus

import (
	"context"
	"log/slog"
	"sync"

	"github.com/hansom-platform/hansom/bus/driver"
)

type conn struct {
	config     Config
	log        *slog.Logger
	zone       string // headerZone of all requests
	connection connection
	pulse      *driver.Pulse

	ctx    context.Context // ends when this side closes the connection
	cancel context.CancelFunc
	tasks  sync.WaitGroup

	mu        sync.Mutex
	consumers map[driver.Consumer]struct{}

	keeper keeper
}

var _ interface {
	driver.Bus
	driver.Keeper
} = (*conn)(nil)

// Open connects, once, and declares the exchanges where its user may. Later losses of the
// connection are mended in the background, for ever.
func Open(ctx context.Context, config Config) (driver.Bus, error) {
	c, err := open(ctx, config)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// open connects, once. Later losses of the connection are mended in the background, for ever.
func open(ctx context.Context, config Config) (*conn, error) {
	config.Zones = config.otherZones()
	c := &conn{config: config, zone: config.Zone.String(), log: config.Logger, pulse: driver.NewPulse(), consumers: map[driver.Consumer]struct{}{}}
	if c.log == nil {
		c.log = slog.Default()
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	s, err := c.connect(ctx, 1)
	if err != nil {
		c.cancel()
		return nil, err
	}
	c.arrive(s)
	c.tasks.Go(func() { c.run(s) })
	c.tasks.Go(c.keepPulse)
	return c, nil
}

// Check implements driver.Bus.
func (c *conn) Check(context.Context) error {
	switch {
	case c.ctx.Err() != nil:
		return errClosed()
	case c.connection.live.Load().ctx.Err() != nil:
		return errDisconnected(nil)
	}
	return nil
}

// Close implements driver.Bus.
func (c *conn) Close(ctx context.Context) error {
	for _, consumer := range c.openConsumers() {
		_ = await(ctx, consumer.Close)
	}
	s := c.connection.live.Load()
	s.close(ctx)
	c.cancel()
	_ = await(ctx, func() error { c.tasks.Wait(); return nil })
	return nil
}

func (c *conn) track(consumer driver.Consumer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.consumers[consumer] = struct{}{}
}

func (c *conn) untrack(consumer driver.Consumer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.consumers, consumer)
}

func (c *conn) openConsumers() []driver.Consumer {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]driver.Consumer, 0, len(c.consumers))
	for consumer := range c.consumers {
		all = append(all, consumer)
	}
	return all
}
