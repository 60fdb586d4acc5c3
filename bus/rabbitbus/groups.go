package rabbitbus

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hansom-platform/hansom/bus/driver"
)

// Defaults of driver.Subscription.
const (
	defaultMaxDeliver = 5
	defaultAckWait    = 30 * time.Second
	defaultRetryDelay = 200 * time.Millisecond
	maxRetryDelay     = 10 * time.Minute
)

// lateGrace is how long a handler whose context ended is waited for before its event is settled without it.
const lateGrace = 100 * time.Millisecond

// member is one durable subscription: Concurrency workers that have one event each, acknowledged when
// it is handled, so that nothing is held back by a member that is busy or dies.
type member struct {
	conn   *conn
	s      driver.Subscription
	h      driver.EventHandler
	queue  string
	feed   feed
	life   context.Context // of handlers
	cancel context.CancelFunc

	slots    chan struct{} // one token for each handler that runs
	handlers sync.WaitGroup
}

// join makes this connection a member of the group, which begins with its first.
func (c *conn) join(ctx context.Context, s driver.Subscription, h driver.EventHandler) (driver.Consumer, error) {
	s = withDefaults(s)
	m := &member{conn: c, s: s, h: h, queue: groupQueue(s.Group, s.Topic), slots: make(chan struct{}, s.Concurrency)}
	m.feed = feed{conn: c, what: "join the group " + s.Group + " for " + s.Topic, open: m.open, consume: m.work}
	m.life, m.cancel = context.WithCancel(c.ctx)
	if err := m.feed.begin(ctx); err != nil {
		m.cancel()
		return nil, err
	}
	c.track(m)
	return m, nil
}

func withDefaults(s driver.Subscription) driver.Subscription {
	s.MaxDeliver = cmp.Or(s.MaxDeliver, defaultMaxDeliver)
	s.AckWait = cmp.Or(s.AckWait, defaultAckWait)
	s.RetryDelay = cmp.Or(s.RetryDelay, defaultRetryDelay)
	s.Concurrency = cmp.Or(s.Concurrency, 1)
	return s
}

// open makes the group's queue, or finds it.
func (m *member) open(ctx context.Context, ch *amqp.Channel) (<-chan amqp.Delivery, error) {
	if err := m.conn.ensureQueue(ctx, m.queue, quorum(nil)); err != nil {
		return nil, err
	}
	if err := ch.QueueBind(m.queue, bindingKey(m.s.Topic), exchangeTopic, false, nil); err != nil {
		return nil, err
	}
	if err := ch.Qos(m.s.Concurrency, 0, false); err != nil {
		return nil, err
	}
	return ch.Consume(m.queue, feedTag, false, false, false, false, nil)
}

// work handles deliveries until there are no more.
func (m *member) work(ctx context.Context, deliveries <-chan amqp.Delivery) {
	var workers sync.WaitGroup
	for range m.s.Concurrency {
		workers.Go(func() {
			for d := range deliveries {
				m.take(ctx, &d)
			}
		})
	}
	workers.Wait()
}

// take sees a delivery through. It leaves it unacknowledged, so that it goes back to the queue with the
// channel, where ctx or the member ends before.
func (m *member) take(ctx context.Context, d *amqp.Delivery) {
	select {
	case m.slots <- struct{}{}:
	case <-ctx.Done():
		return
	}
	handling := false
	defer func() {
		if !handling {
			<-m.slots
		}
	}()
	e := readEvent(d)
	e.Attempt = attemptOf(d)
	switch {
	case m.life.Err() != nil || ctx.Err() != nil:
	case !takes(m.s.Topic, e.Topic):
		m.acknowledge(d)
	case e.Attempt > m.s.MaxDeliver:
		reason := fmt.Sprintf("no member finished handling it: %d of them died or left with it in hand", deliveriesOf(d))
		if m.bury(ctx, e, e.Attempt-1, reason) {
			m.acknowledge(d)
		}
	default:
		handling = true
		m.handle(ctx, d, e)
	}
}

// handle calls the handler, which has the slot until it returns, and settles the event.
func (m *member) handle(ctx context.Context, d *amqp.Delivery, e *driver.Event) {
	life, cancel := context.WithTimeout(m.life, m.s.AckWait)
	done := make(chan error, 1)
	// The handler may do with its copy what it likes; what was published is kept for later deliveries.
	own := &driver.Event{Topic: e.Topic, Attempt: e.Attempt,
		Message: &driver.Message{Header: e.Message.Header.Clone(), Body: slices.Clone(e.Message.Body)}}
	m.handlers.Go(func() {
		defer cancel()
		done <- m.h(life, own)
		<-m.slots
	})
	err, returned := outcome(life, done)
	switch {
	case returned && err == nil:
		m.acknowledge(d)
	case m.life.Err() != nil: // this member is leaving: somebody else's turn
	case returned:
		if m.failed(ctx, e, err) {
			m.acknowledge(d)
		}
	case m.failed(ctx, e, fmt.Errorf("not handled within %v", m.s.AckWait)):
		m.outlast(ctx, d, done)
	}
}

// outcome returns what a handler returned; returned is false where it goes on well after the end of ctx.
func outcome(ctx context.Context, done <-chan error) (err error, returned bool) {
	select {
	case err := <-done:
		return err, true
	case <-ctx.Done():
	}
	late := time.NewTimer(lateGrace)
	defer late.Stop()
	select {
	case err := <-done:
		return err, true
	case <-late.C:
		return nil, false
	}
}

// outlast acknowledges an event whose retry is under way when its handler at last returns. Until then
// the broker gives this slot no other.
func (m *member) outlast(ctx context.Context, d *amqp.Delivery, done <-chan error) {
	select {
	case <-done: //nolint:errcheck // the retry is under way, however it ended
	case <-ctx.Done():
	case <-m.life.Done():
	}
	m.acknowledge(d)
}

// acknowledge ends a delivery. Where the connection broke the event is delivered again.
func (m *member) acknowledge(d *amqp.Delivery) {
	if err := d.Ack(false); err != nil {
		m.conn.log.Warn("durable event could not be acknowledged: it will be delivered again", "group", m.s.Group, "topic", m.s.Topic, "error", err)
	}
}

// failed sees to the next delivery, or to the dead letter. It is false where neither could be stored.
func (m *member) failed(ctx context.Context, e *driver.Event, cause error) bool {
	if e.Attempt >= m.s.MaxDeliver {
		return m.bury(ctx, e, e.Attempt, cause.Error())
	}
	headers := tableOf(e.Message.Header)
	headers[headerTopic] = e.Topic
	headers[headerAttempts] = strconv.Itoa(e.Attempt)
	delay := m.delay(e.Attempt)
	return m.insist(ctx, "hand back an event", func(ctx context.Context) error {
		return m.conn.put(ctx, retryQueue(m.queue, delay), retryArguments(m.queue, delay), persistent(headers, e.Message.Body))
	})
}

// delay before the next delivery: RetryDelay, doubled with every attempt, in whole milliseconds.
func (m *member) delay(attempt int) time.Duration {
	d := min(m.s.RetryDelay<<min(attempt-1, 20), maxRetryDelay)
	if d <= 0 { // shifted out
		d = maxRetryDelay
	}
	return max(d.Truncate(time.Millisecond), time.Millisecond)
}

// insist tries until it succeeds, or the delivery is not this member's any more.
func (m *member) insist(ctx context.Context, what string, op func(context.Context) error) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(m.life, cancel)()
	for attempt := 0; ; attempt++ {
		err := op(ctx)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		m.conn.log.Warn("bus: cannot "+what+"; trying again", "group", m.s.Group, "topic", m.s.Topic, "error", err)
		if !pause(ctx, backoff(attempt+5)) {
			return false
		}
	}
}

// attemptOf counts this delivery and all before it.
func attemptOf(d *amqp.Delivery) int {
	before, _ := strconv.Atoi(text(d.Headers, headerAttempts))
	return before + deliveriesOf(d) + 1
}

// deliveriesOf says how often the message was delivered before and came back without a word.
func deliveriesOf(d *amqp.Delivery) int {
	switch n := d.Headers[headerDeliveries].(type) {
	case int64:
		return int(n)
	case int32:
		return int(n)
	case int16:
		return int(n)
	case int8:
		return int(n)
	case uint8:
		return int(n)
	}
	return 0
}

// Drain implements driver.Consumer: it returns when the events taken are handled.
func (m *member) Drain(ctx context.Context) error {
	if err := m.feed.halt(ctx); err != nil {
		return errDrain(err)
	}
	m.conn.untrack(m)
	m.cancel()
	return nil
}

// Close implements driver.Consumer.
func (m *member) Close() error {
	m.conn.untrack(m)
	m.cancel()
	err := m.feed.halt(context.Background())
	m.handlers.Wait()
	return err
}

// Dropped is 0: a group loses nothing.
func (m *member) Dropped() int { return 0 }
