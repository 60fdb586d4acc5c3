package natsbus

import (
	"context"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// Serve implements driver.Bus.
func (c *conn) Serve(ctx context.Context, instance string, h driver.Handler) (driver.Consumer, error) {
	if instance == "" || len(instance) > driver.MaxName {
		return nil, fault.New(fault.BadRequest, "bus.no_instance", "a queue is named by its instance's id, of %d bytes at most", driver.MaxName)
	}
	return c.subscribe(ctx, queueSubject(instance), queueGroup, func(_ context.Context, msg *nats.Msg) {
		d := &delivery{conn: c, reply: msg.Reply}
		if err := driver.ParseMessage(msg.Data, &d.message); err != nil {
			c.log.Warn("unreadable request dropped", "instance", instance, "error", err)
			return
		}
		c.pulse.Age(&d.message)
		h(&d.message, d)
	})
}

// A delivery is one request and the way back to its sender.
type delivery struct {
	message driver.Message
	conn    *conn
	reply   string
}

// Reply implements driver.Replier.
func (d *delivery) Reply(m *driver.Message) error {
	if d.reply == "" {
		return nil
	}
	err := d.conn.send(d.conn.ctx, d.reply, "", m)
	if isDisconnected(err) {
		return errDisconnected(err)
	}
	return engineError(err, "send the reply")
}

// subscription is a queue or an ephemeral subscription.
type subscription struct {
	conn   *conn
	sub    *nats.Subscription
	cancel context.CancelFunc // ends the handlers' context
	closed chan struct{}
	once   sync.Once
}

// subscribe hands messages to h, with a context that ends with the subscription.
func (c *conn) subscribe(ctx context.Context, subject, group string, h func(context.Context, *nats.Msg)) (*subscription, error) {
	if c.nc.IsClosed() {
		return nil, errClosed()
	}
	life, cancel := context.WithCancel(c.ctx)
	sub, err := c.open(subject, group, func(msg *nats.Msg) { h(life, msg) })
	if err != nil {
		cancel()
		return nil, engineError(err, "subscribe")
	}
	s := &subscription{conn: c, sub: sub, cancel: cancel, closed: make(chan struct{})}
	sub.SetClosedHandler(func(string) { s.once.Do(func() { close(s.closed) }) })
	if err := c.flush(ctx); err != nil {
		cancel()
		_ = sub.Unsubscribe()
		return nil, err
	}
	c.track(s)
	return s, nil
}

func (c *conn) open(subject, group string, h nats.MsgHandler) (*nats.Subscription, error) {
	if group != "" {
		return c.nc.QueueSubscribe(subject, group, h)
	}
	sub, err := c.nc.Subscribe(subject, h)
	if err != nil {
		return nil, err
	}
	return sub, sub.SetPendingLimits(pendingEvents, pendingBytes)
}

// flush returns when the server has worked through all that was sent before.
func (c *conn) flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := c.nc.FlushWithContext(ctx); err != nil {
		return errDisconnected(err)
	}
	return nil
}

// Drain implements driver.Consumer.
func (s *subscription) Drain(ctx context.Context) error {
	defer s.conn.untrack(s)
	if err := s.sub.Drain(); err != nil {
		return nil // it is closed already, and so is drained
	}
	select {
	case <-s.closed:
		return nil
	case <-ctx.Done():
		_ = s.sub.Unsubscribe()
		return fault.Wrap(ctx.Err(), fault.Timeout, driver.ReasonDrain, "messages are still being handed over")
	}
}

// Close implements driver.Consumer.
func (s *subscription) Close() error {
	s.conn.untrack(s)
	s.cancel()
	_ = s.sub.Unsubscribe() // fails only where nothing is open any more
	return nil
}

// Dropped counts the events that a slow handler missed.
func (s *subscription) Dropped() int {
	n, err := s.sub.Dropped()
	if err != nil {
		return 0
	}
	return n
}
