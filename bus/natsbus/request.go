package natsbus

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

var errNobody = errors.New("nobody listens on the subject")

// Request implements driver.Bus.
func (c *conn) Request(ctx context.Context, instance string, m *driver.Message) (*driver.Message, error) {
	if instance != "" {
		reply, err := c.ask(ctx, queueSubject(instance), m)
		if errors.Is(err, errNobody) {
			return nil, driver.NoInstance(instance)
		}
		return reply, err
	}
	q := driver.Query{Header: m.Header, From: c.config.Zone, Rand: rand.Uint64N}
	for {
		b, err := c.table.Route(q)
		if err != nil {
			return nil, err
		}
		reply, err := c.ask(ctx, queueSubject(b.Instance), m)
		if !errors.Is(err, errNobody) {
			return reply, err
		}
		q.Tried = append(q.Tried, b.Instance)
		m = withBudget(ctx, m)
	}
}

// ask sends m to subject and waits for the reply, or for the server's word that
// nobody is there: errNobody.
func (c *conn) ask(ctx context.Context, subject string, m *driver.Message) (*driver.Message, error) {
	for {
		msg, err := c.exchange(ctx, subject, m)
		if !isDisconnected(err) {
			if err != nil {
				return nil, err
			}
			return readReply(msg)
		}
		if err := c.awaitConnection(ctx, err); err != nil {
			return nil, err
		}
		m = withBudget(ctx, m)
	}
}

func (c *conn) exchange(ctx context.Context, subject string, m *driver.Message) (*nats.Msg, error) {
	w, reply := c.inbox.open()
	if err := c.send(ctx, subject, reply, m); err != nil {
		c.inbox.close(w, false)
		return nil, err
	}
	select {
	case a := <-w.answer:
		c.inbox.close(w, true)
		return a.msg, a.err
	case <-ctx.Done():
		c.inbox.close(w, false)
		return nil, givenUp(ctx)
	}
}

func readReply(msg *nats.Msg) (*driver.Message, error) {
	if isNobody(msg) {
		return nil, errNobody
	}
	reply := new(driver.Message)
	if err := driver.ParseMessage(msg.Data, reply); err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "bus.bad_reply", "the reply cannot be read")
	}
	return reply, nil
}

func isNobody(msg *nats.Msg) bool {
	return len(msg.Header) > 0 && len(msg.Data) == 0 && msg.Header.Get("Status") == "503"
}

// withBudget returns m with the budget that is left now, for a message that had to
// wait or goes to the next candidate.
func withBudget(ctx context.Context, m *driver.Message) *driver.Message {
	deadline, ok := ctx.Deadline()
	if !ok {
		return m
	}
	fresh := &driver.Message{Header: m.Header.Clone(), Body: m.Body}
	fresh.Header.Set(driver.HeaderBudget, strconv.FormatInt(max(time.Until(deadline).Milliseconds(), 1), 10))
	return fresh
}

func givenUp(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fault.Wrap(ctx.Err(), fault.Timeout, driver.ReasonTimeout, "no reply came within the time budget")
	}
	return fault.From(ctx.Err())
}

// keptBuffer is the largest buffer that goes back to the pool.
const keptBuffer = 16 << 10

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}

// send waits for room on the line, within ctx, and encodes and publishes one
// message. nats.go copies it before it returns.
func (c *conn) send(ctx context.Context, subject, reply string, m *driver.Message) error {
	if err := c.lines.current.Load().awaitRoom(ctx); err != nil {
		return fault.Wrap(err, fault.Unavailable, driver.ReasonDisconnected, "the bus took no messages in time; nothing was sent")
	}
	buf := buffers.Get().(*[]byte)
	payload := driver.AppendMessage((*buf)[:0], m.Header, m.Body)
	err := c.publish(subject, reply, payload)
	if cap(payload) <= keptBuffer {
		*buf = payload
		buffers.Put(buf)
	}
	if errors.Is(err, nats.ErrMaxPayload) {
		return fault.Wrap(err, fault.BadRequest, driver.ReasonTooLarge,
			"the message with its metadata is larger than the bus takes: %d bytes", len(payload))
	}
	return err
}

func (c *conn) publish(subject, reply string, payload []byte) error {
	if reply == "" {
		return c.nc.Publish(subject, payload)
	}
	return c.nc.PublishRequest(subject, reply, payload)
}
