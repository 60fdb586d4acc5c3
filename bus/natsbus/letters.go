package natsbus

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// maxReason is how much of a handler's error a dead letter keeps, in bytes: with a
// longer one the letter might be too large to be stored.
const maxReason = 4 << 10

// bury stores the event among the dead letters and then ends its deliveries.
func (m *member) bury(msg jetstream.Msg, e *driver.Event, attempts int, reason string) {
	dead := &driver.Message{Body: e.Message.Body, Header: append(driver.Header{
		{Key: deadGroup, Value: m.s.Group},
		{Key: deadTopic, Value: e.Topic},
		{Key: deadPattern, Value: m.s.Topic},
		{Key: deadReason, Value: strings.ToValidUTF8(reason[:min(len(reason), maxReason)], "")},
		{Key: deadAttempts, Value: strconv.Itoa(attempts)},
		{Key: deadAt, Value: time.Now().UTC().Format(time.RFC3339Nano)},
	}, e.Message.Header...)}
	ctx, cancel := context.WithTimeout(m.life, callTimeout)
	defer cancel()
	if err := m.conn.store(ctx, deadSubject(m.s.Group), dead); err != nil {
		m.conn.log.Error("dead letter could not be stored; the event stays in the group", "group", m.s.Group, "topic", e.Topic, "error", err)
		m.handBack(msg, attempts)
		return
	}
	m.settle(func() error { return msg.TermWithReason("dead letter") }, "end")
}

// A letter is a dead letter and what its group subscribed to.
type letter struct {
	driver.DeadLetter
	pattern string
}

func readDeadLetter(raw *jetstream.RawStreamMsg) (letter, error) {
	m := new(driver.Message)
	if err := driver.ParseMessage(raw.Data, m); err != nil {
		return letter{}, fault.Wrap(err, fault.Unavailable, driver.ReasonEngine, "dead letter %d cannot be read", raw.Sequence)
	}
	d := letter{pattern: m.Header.Get(deadPattern), DeadLetter: driver.DeadLetter{
		ID:      strconv.FormatUint(raw.Sequence, 10),
		Group:   m.Header.Get(deadGroup),
		Topic:   m.Header.Get(deadTopic),
		Reason:  m.Header.Get(deadReason),
		At:      raw.Time,
		Message: m,
	}}
	d.Attempts, _ = strconv.Atoi(m.Header.Get(deadAttempts))
	if at, err := time.Parse(time.RFC3339Nano, m.Header.Get(deadAt)); err == nil {
		d.At = at
	}
	for _, key := range []string{deadGroup, deadTopic, deadPattern, deadReason, deadAttempts, deadAt} {
		m.Header.Del(key)
	}
	return d, nil
}

// DeadLetters implements driver.Bus.
func (c *conn) DeadLetters(ctx context.Context, group string, limit int) (all []driver.DeadLetter, err error) {
	if err := c.openStreams(ctx); err != nil {
		return nil, err
	}
	err = c.engine(ctx, "list the dead letters of "+group, func(ctx context.Context) error {
		all, err = c.readDeadLetters(ctx, group, limit)
		return err
	})
	return all, err
}

func (c *conn) readDeadLetters(ctx context.Context, group string, limit int) ([]driver.DeadLetter, error) {
	stream, err := c.js.Stream(ctx, streamDead)
	if err != nil {
		return nil, err
	}
	var all []driver.DeadLetter
	for next := uint64(1); len(all) < limit; {
		raw, err := stream.GetMsg(ctx, next, jetstream.WithGetMsgSubject(deadSubject(group)))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			break
		}
		if err != nil {
			return nil, err
		}
		next = raw.Sequence + 1
		d, err := readDeadLetter(raw)
		if err != nil {
			return nil, err
		}
		all = append(all, d.DeadLetter)
	}
	return all, nil
}
