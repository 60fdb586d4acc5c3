package rabbitbus

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// What an ephemeral subscription may hold for a slow handler before it loses events. What it
// cannot read at all, because its process stands still, waits in the broker, which holds as many.
const (
	pendingEvents = 8192
	pendingBytes  = 16 << 20
)

// Publish implements driver.Bus. The broker confirms when every group's queue of this zone has the
// event on the disks of a majority of its members. Other zones get it by federation, after that.
func (c *conn) Publish(ctx context.Context, topic string, m *driver.Message) error {
	if err := checkFields(m.Header); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := c.confirmed(ctx, exchangeTopic, topic, false, persistent(tableOf(m.Header), m.Body))
	if errors.Is(err, context.DeadlineExceeded) && fault.ReasonOf(err) == driver.ReasonEngine {
		return fault.Wrap(err, fault.Unavailable, driver.ReasonEngine, "the broker did not confirm an event on %s in time; it may have been stored: "+
			"a group's queue stands still while half of its nodes are away, so look whether all nodes of this zone's cluster run", topic)
	}
	return err
}

func persistent(headers amqp.Table, body []byte) amqp.Publishing {
	return amqp.Publishing{Headers: headers, DeliveryMode: amqp.Persistent, Body: body}
}

// Subscribe implements driver.Bus.
func (c *conn) Subscribe(ctx context.Context, s driver.Subscription, h driver.EventHandler) (driver.Consumer, error) {
	if s.Group != "" {
		return c.join(ctx, s, h)
	}
	return c.openListener(ctx, s.Topic, h)
}

// bindingKey returns topic as the exchange h2.topic wants it: there # stands for any number of words.
func bindingKey(topic string) string {
	if rest, below := strings.CutSuffix(topic, ".>"); below {
		return rest + ".*.#"
	}
	return topic
}

// takes tells whether a subscription to pattern is to have topic. The broker has decided the same,
// except that a word # is one like any other on this bus.
func takes(pattern, topic string) bool {
	if rest, below := strings.CutSuffix(pattern, ">"); below {
		return len(topic) > len(rest) && strings.HasPrefix(topic, rest)
	}
	if rest, one := strings.CutSuffix(pattern, "*"); one {
		word, ok := strings.CutPrefix(topic, rest)
		return ok && word != "" && !strings.Contains(word, ".")
	}
	return pattern == topic
}

// readEvent reads what came by h2.topic, or by its queue's name: headerTopic then has its topic.
func readEvent(d *amqp.Delivery) *driver.Event {
	topic := d.RoutingKey
	if d.Exchange == "" {
		topic = text(d.Headers, headerTopic)
	}
	return &driver.Event{Topic: topic, Attempt: 1, Message: &driver.Message{Header: headerOf(d.Headers), Body: d.Body}}
}

// listener is one ephemeral subscription.
type listener struct {
	conn   *conn
	topic  string
	h      driver.EventHandler
	feed   feed
	life   context.Context // of the handler
	cancel context.CancelFunc
	worker sync.WaitGroup

	turn    sync.Mutex // held by the session that fills pending
	pending chan pendingEvent
	bytes   atomic.Int64 // in pending
	dropped atomic.Int64
	ended   sync.Once // closes pending
}

type pendingEvent struct {
	event *driver.Event
	size  int64
}

// openListener opens an ephemeral subscription.
func (c *conn) openListener(ctx context.Context, topic string, h driver.EventHandler) (driver.Consumer, error) {
	l := &listener{conn: c, topic: topic, h: h, pending: make(chan pendingEvent, pendingEvents)}
	l.feed = feed{conn: c, what: "subscribe to " + topic, open: l.open, consume: l.fill}
	l.life, l.cancel = context.WithCancel(c.ctx)
	l.worker.Go(l.work)
	if err := l.feed.begin(ctx); err != nil {
		l.cancel()
		return nil, err
	}
	c.track(l)
	return l, nil
}

// open makes a queue for this session only. Its name is new: the broker may not have noticed yet
// that the last one's connection is gone.
func (l *listener) open(_ context.Context, ch *amqp.Channel) (<-chan amqp.Delivery, error) {
	queue := prefixEvents + uuid.NewString()
	_, err := ch.QueueDeclare(queue, false, true, true, false, amqp.Table{
		"x-max-length": pendingEvents, "x-max-length-bytes": pendingBytes, "x-overflow": "drop-head",
	})
	if err != nil {
		return nil, err
	}
	if err := ch.QueueBind(queue, bindingKey(l.topic), exchangeTopic, false, nil); err != nil {
		return nil, err
	}
	return ch.Consume(queue, feedTag, true, true, false, false, nil)
}

// fill never waits for the handler.
func (l *listener) fill(_ context.Context, deliveries <-chan amqp.Delivery) {
	l.turn.Lock()
	defer l.turn.Unlock()
	for d := range deliveries {
		e := readEvent(&d)
		if takes(l.topic, e.Topic) {
			l.hold(e)
		}
	}
}

func (l *listener) hold(e *driver.Event) {
	p := pendingEvent{e, int64(len(e.Message.Body) + len(e.Topic))}
	for _, f := range e.Message.Header {
		p.size += int64(len(f.Key) + len(f.Value))
	}
	if l.bytes.Load()+p.size > pendingBytes {
		l.dropped.Add(1)
		return
	}
	l.bytes.Add(p.size)
	select {
	case l.pending <- p:
	default:
		l.bytes.Add(-p.size)
		l.dropped.Add(1)
	}
}

func (l *listener) work() {
	for {
		select {
		case <-l.life.Done():
			return
		case p, open := <-l.pending:
			if !open {
				return
			}
			l.bytes.Add(-p.size)
			if l.life.Err() == nil {
				_ = l.h(l.life, p.event) // ephemeral events are not redelivered
			}
		}
	}
}

// Drain implements driver.Consumer.
func (l *listener) Drain(ctx context.Context) error {
	err := l.feed.halt(ctx)
	if err == nil {
		l.ended.Do(func() { close(l.pending) })
		err = await(ctx, func() error { l.worker.Wait(); return nil })
	}
	if err != nil {
		return errDrain(err)
	}
	l.conn.untrack(l)
	l.cancel()
	return nil
}

func errDrain(cause error) error {
	return fault.Wrap(cause, fault.Timeout, driver.ReasonDrain, "events are still being handled")
}

// Close implements driver.Consumer.
func (l *listener) Close() error {
	l.conn.untrack(l)
	l.cancel()
	_ = l.feed.halt(context.Background())
	l.worker.Wait()
	return nil
}

// Dropped implements driver.Consumer.
func (l *listener) Dropped() int { return int(l.dropped.Load()) }
