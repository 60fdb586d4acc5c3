package rabbitbus

import (
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

const (
	// typeMark is the AMQP type of messages that tell how far a queue is handed over (server.mark).
	typeMark = "h2.mark"
	// drainGrace is how long a message that was routed before the unbinding may take to its queue.
	drainGrace = 20 * time.Millisecond
)

// server is the queue of an instance.
type server struct {
	conn     *conn
	instance string
	handler  driver.Handler
	stop     func()
	again    chan struct{}
	draining atomic.Bool
	closed   atomic.Bool
	once     sync.Once

	mu     sync.Mutex
	intake *intake
	marks  map[string]chan struct{}
}

// An intake is the consumer of the queue on one session.
type intake struct {
	session *session
	channel *amqp.Channel
	ended   chan struct{} // everything it received is handed over
}

// Serve implements driver.Bus.
func (c *conn) Serve(ctx context.Context, instance string, h driver.Handler) (driver.Consumer, error) {
	if instance == "" || len(instance) > driver.MaxName {
		return nil, fault.New(fault.BadRequest, "bus.no_instance", "a queue is named by its instance's id, of %d bytes at most", driver.MaxName)
	}
	s := &server{conn: c, instance: instance, handler: h, again: make(chan struct{}, 1), marks: map[string]chan struct{}{}}
	stop, err := c.keep(ctx, "serve "+instance, s.again, s.start)
	if err != nil {
		return nil, err
	}
	s.stop = stop
	c.track(s)
	return s, nil
}

// start opens the queue and hands over what comes, until ctx ends.
func (s *server) start(ctx context.Context, on *session) error {
	if s.draining.Load() {
		return nil
	}
	ch, err := on.channel(ctx)
	if err != nil {
		return err
	}
	var deliveries <-chan amqp.Delivery
	err = perform(ctx, ch, func() (err error) {
		deliveries, err = openQueue(ch, s.instance)
		return err
	})
	if err != nil {
		return engineError(err, "open queue "+s.instance)
	}
	in := &intake{on, ch, make(chan struct{})}
	if !s.open(in) {
		release(ch)
		return nil
	}
	context.AfterFunc(ctx, func() { release(ch) })
	s.conn.tasks.Go(func() { s.take(ctx, in, deliveries) })
	return nil
}

// open makes in the present intake; false where a Drain or Close that has begun meanwhile does not know of it.
func (s *server) open(in *intake) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		return false
	}
	s.intake = in
	return true
}

func (s *server) take(ctx context.Context, in *intake, deliveries <-chan amqp.Delivery) {
	for d := range deliveries {
		s.handOver(&d)
	}
	close(in.ended)
	if ctx.Err() == nil && !s.draining.Load() { // the broker cancelled the consumer
		release(in.channel)
		select {
		case s.again <- struct{}{}:
		default:
		}
	}
}

func (s *server) handOver(d *amqp.Delivery) {
	if d.Type == typeMark {
		s.passed(d.MessageId)
		return
	}
	if s.closed.Load() {
		return
	}
	r := &delivery{conn: s.conn, to: s.conn.wayBack(d), number: d.CorrelationId}
	if err := messageOf(d.Headers, d.ContentEncoding, d.Body, &r.message); err != nil {
		s.conn.log.Warn("unreadable request dropped", "instance", s.instance, "error", err)
		return
	}
	s.conn.pulse.Age(&r.message)
	s.handler(&r.message, r)
}

// mark sends a message through the queue and returns when it comes out: what was in the queue
// before is handed over then.
func (s *server) mark(ctx context.Context, on *session) error {
	id, out := rand.Text(), make(chan struct{})
	s.mu.Lock()
	s.marks[id] = out
	s.mu.Unlock()
	defer s.passed(id)
	err := on.reply(ctx, target{amqp.DefaultExchange, s.instance}, amqp.Publishing{Type: typeMark, MessageId: id})
	if err != nil {
		return err
	}
	select {
	case <-out:
		return nil
	case <-on.ctx.Done():
		return errLost(nil)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// passed notes that a mark came out of the queue, or that nobody waits for it any more.
func (s *server) passed(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if out := s.marks[id]; out != nil {
		delete(s.marks, id)
		close(out)
	}
}

func (s *server) current() *intake {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.intake
}

// Drain implements driver.Consumer. The queue is unbound first, so that exchange h2 passes it over;
// what was routed before is handed over, and then the queue deleted.
func (s *server) Drain(ctx context.Context) error {
	defer s.conn.untrack(s)
	if s.draining.Swap(true) || s.closed.Load() {
		return nil
	}
	in := s.current()
	err := s.drain(ctx, in)
	switch {
	case err == nil || in.session.ctx.Err() != nil: // with the connection, the queue is gone
		return nil
	case ctx.Err() != nil:
		return fault.Wrap(err, fault.Timeout, driver.ReasonDrain, "messages are still being handed over")
	}
	return err
}

func (s *server) drain(ctx context.Context, in *intake) error {
	err := in.session.do(ctx, "unbind queue "+s.instance, func(ch *amqp.Channel) error {
		return ch.QueueUnbind(s.instance, s.instance, exchangeDirect, nil)
	})
	if err != nil {
		return err
	}
	if !pause(ctx, drainGrace) {
		return ctx.Err()
	}
	if err := s.deleteEmpty(ctx, in.session); err != nil {
		return err
	}
	select {
	case <-in.ended: // what the broker had sent comes before the end of the consumer
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// deleteEmpty deletes the queue when everything in it has been sent here.
func (s *server) deleteEmpty(ctx context.Context, on *session) error {
	for {
		if err := s.mark(ctx, on); err != nil {
			return err
		}
		err := on.do(ctx, "delete queue "+s.instance, func(ch *amqp.Channel) error {
			_, err := ch.QueueDelete(s.instance, false, true, false)
			return err
		})
		if !hasCode(err, amqp.PreconditionFailed) { // it is not empty
			return err
		}
	}
}

// Close implements driver.Consumer.
func (s *server) Close() error {
	s.once.Do(func() {
		s.closed.Store(true)
		s.draining.Store(true)
		s.conn.untrack(s)
		in := s.current()
		ctx, cancel := context.WithTimeout(in.session.ctx, closeTimeout)
		defer cancel()
		_ = in.session.do(ctx, "delete queue "+s.instance, func(ch *amqp.Channel) error {
			_, err := ch.QueueDelete(s.instance, false, false, false)
			return err
		}) // fails only with the connection, and the queue goes with that
		s.stop()
	})
	return nil
}

// Dropped implements driver.Consumer: requests are never dropped for being many.
func (s *server) Dropped() int { return 0 }
