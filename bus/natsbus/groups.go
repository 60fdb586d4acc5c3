package natsbus

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// Defaults of driver.Subscription.
const (
	defaultMaxDeliver = 5
	defaultAckWait    = 30 * time.Second
	defaultRetryDelay = 200 * time.Millisecond
	maxRetryDelay     = 10 * time.Minute
	pullRetry         = 500 * time.Millisecond
	pullRecheck       = 50 * time.Millisecond
	pullExpiry        = 30 * time.Second
	pullHeartbeat     = 5 * time.Second // twice that without one means that the engine forgot the request for events
)

// member is one durable subscription: Concurrency workers, each of which asks the
// group's consumer for one event at a time, so that nothing is held back by a
// member that is busy or dies.
type member struct {
	conn    *conn
	s       driver.Subscription
	h       driver.EventHandler
	life    context.Context // of handlers
	cancel  context.CancelFunc
	intake  context.Context // ends when no more events are taken
	stop    context.CancelFunc
	workers sync.WaitGroup
}

// join makes this connection a member of the group, which begins with its first.
func (c *conn) join(ctx context.Context, s driver.Subscription, h driver.EventHandler) (driver.Consumer, error) {
	m := &member{conn: c, s: withDefaults(s), h: h}
	consumer, err := m.openConsumer(ctx)
	if err != nil {
		return nil, err
	}
	m.life, m.cancel = context.WithCancel(c.ctx)
	m.intake, m.stop = context.WithCancel(m.life)
	for range m.s.Concurrency {
		m.workers.Go(func() { m.work(consumer) })
	}
	c.track(m)
	return m, nil
}

// openConsumer makes the group's consumer, or finds it.
func (m *member) openConsumer(ctx context.Context) (consumer jetstream.Consumer, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := m.conn.openStreams(ctx); err != nil {
		return nil, err
	}
	err = m.conn.engine(ctx, "join the group "+m.s.Group, func(ctx context.Context) error {
		name := consumerName(m.s.Group, m.s.Topic)
		consumer, err = m.conn.js.CreateOrUpdateConsumer(ctx, streamEvents, jetstream.ConsumerConfig{
			Durable:        name,
			Description:    "group " + m.s.Group,
			FilterSubjects: []string{topicSubject(m.s.Topic), againSubject(name, ">")},
			DeliverPolicy:  jetstream.DeliverNewPolicy,
			AckPolicy:      jetstream.AckExplicitPolicy,
			AckWait:        m.s.AckWait,
			MaxDeliver:     -1, // counted by members, who know the reason
		})
		return err
	})
	return consumer, err
}

func withDefaults(s driver.Subscription) driver.Subscription {
	s.MaxDeliver = cmp.Or(s.MaxDeliver, defaultMaxDeliver)
	s.AckWait = cmp.Or(s.AckWait, defaultAckWait)
	s.RetryDelay = cmp.Or(s.RetryDelay, defaultRetryDelay)
	s.Concurrency = cmp.Or(s.Concurrency, 1)
	return s
}

// work takes events until the intake ends, whatever the engine does meanwhile. A
// consumer that somebody deleted is made anew.
func (m *member) work(consumer jetstream.Consumer) {
	for m.intake.Err() == nil {
		messages, err := consumer.Messages(jetstream.PullMaxMessages(1), jetstream.PullExpiry(pullExpiry), jetstream.PullHeartbeat(pullHeartbeat))
		if err == nil {
			err = m.take(messages)
			m.release(messages)
		}
		if m.intake.Err() != nil {
			return
		}
		m.conn.log.Warn("durable subscription interrupted", "group", m.s.Group, "topic", m.s.Topic, "error", err)
		select {
		case <-time.After(pullRetry):
		case <-m.intake.Done():
			return
		}
		m.conn.streams.Store(false) // they may be gone as well
		if again, err := m.openConsumer(m.intake); err == nil {
			consumer = again
		}
	}
}

func (m *member) take(messages jetstream.MessagesContext) error {
	for m.intake.Err() == nil {
		msg, err := m.next(messages)
		if err != nil {
			return err
		}
		m.handle(msg)
	}
	return m.intake.Err()
}

// next waits for an event. It begins with a short wait, because nats.go (1.55,
// pull.go, checkPending) may leave out the request for the next event when the last one
// came back before it was done with the request for that; it looks again whenever a
// wait begins.
func (m *member) next(messages jetstream.MessagesContext) (jetstream.Msg, error) {
	msg, err := messages.Next(jetstream.NextMaxWait(pullRecheck))
	if errors.Is(err, nats.ErrTimeout) {
		return messages.Next(jetstream.NextContext(m.intake))
	}
	return msg, err
}

// release gives back the event that may have come after the intake ended.
func (m *member) release(messages jetstream.MessagesContext) {
	messages.Drain()
	for {
		msg, err := messages.Next(jetstream.NextMaxWait(time.Second))
		if err != nil {
			return
		}
		_ = msg.Nak()
	}
}

func (m *member) handle(msg jetstream.Msg) {
	attempt := 1
	if meta, err := msg.Metadata(); err == nil {
		attempt = int(meta.NumDelivered)
	}
	e, ok := m.conn.readEvent(msg.Subject(), msg.Data())
	if !ok {
		_ = msg.Term()
		return
	}
	e.Attempt = attempt
	if attempt > m.s.MaxDeliver {
		m.bury(msg, e, attempt-1, "no member finished handling it")
		return
	}
	err := m.call(e)
	switch {
	case err == nil:
		m.settle(msg.Ack, "acknowledge")
	case m.life.Err() != nil:
		_ = msg.Nak() // this member is leaving: somebody else's turn
	case attempt >= m.s.MaxDeliver:
		m.bury(msg, e, attempt, err.Error())
	default:
		m.handBack(msg, attempt)
	}
}

func (m *member) call(e *driver.Event) error {
	ctx, cancel := context.WithTimeout(m.life, m.s.AckWait)
	defer cancel()
	// The handler may do with its copy what it likes; the dead letter holds what was published.
	own := &driver.Message{Header: e.Message.Header.Clone(), Body: slices.Clone(e.Message.Body)}
	return m.h(ctx, &driver.Event{Topic: e.Topic, Attempt: e.Attempt, Message: own})
}

// delay before the next delivery: RetryDelay, doubled with every attempt.
func (m *member) delay(attempt int) time.Duration {
	return min(m.s.RetryDelay<<min(attempt-1, 20), maxRetryDelay)
}

func (m *member) handBack(msg jetstream.Msg, attempt int) {
	m.settle(func() error { return msg.NakWithDelay(m.delay(attempt)) }, "hand back")
}

// settle tells the engine what became of an event, after a lost connection is
// back where need be. An event that stays unsettled is redelivered after AckWait.
func (m *member) settle(tell func() error, what string) {
	err := tell()
	if isDisconnected(err) && m.conn.awaitConnection(m.life, err) == nil {
		err = tell()
	}
	if err != nil {
		m.conn.log.Warn("durable event could not be settled", "group", m.s.Group, "topic", m.s.Topic, "action", what, "error", err)
	}
}

// Drain implements driver.Consumer: it returns when the events taken are handled.
func (m *member) Drain(ctx context.Context) error {
	m.stop()
	if !within(ctx, m.workers.Wait) {
		return fault.Wrap(ctx.Err(), fault.Timeout, driver.ReasonDrain, "events are still being handled")
	}
	m.conn.untrack(m)
	m.cancel()
	return nil
}

// Close implements driver.Consumer.
func (m *member) Close() error {
	m.conn.untrack(m)
	m.cancel()
	m.workers.Wait()
	return nil
}

// Dropped is 0: a group loses nothing.
func (m *member) Dropped() int { return 0 }
