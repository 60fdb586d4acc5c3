package rabbitbus

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

const (
	keptDead  = 10_000  // dead letters of one group; the oldest make room
	maxReason = 4 << 10 // how much of a handler's error a dead letter keeps, in bytes
)

func deadArguments() amqp.Table {
	return quorum(amqp.Table{"x-max-length": keptDead, "x-overflow": "drop-head"})
}

// bury stores the event among the dead letters. It is false where that could not be done.
func (m *member) bury(ctx context.Context, e *driver.Event, attempts int, reason string) bool {
	headers := tableOf(e.Message.Header)
	headers[headerTopic] = e.Topic
	headers[deadGroup] = m.s.Group
	headers[deadPattern] = m.s.Topic
	headers[deadReason] = strings.ToValidUTF8(reason[:min(len(reason), maxReason)], "")
	headers[deadAttempts] = strconv.Itoa(attempts)
	headers[deadAt] = time.Now().UTC().Format(time.RFC3339Nano)
	letter := persistent(headers, e.Message.Body)
	return m.insist(ctx, "store a dead letter", func(ctx context.Context) error {
		id, err := uuid.NewV7() // sorts by time
		if err != nil {
			return err
		}
		letter.MessageId = id.String()
		return m.conn.putLetter(ctx, m.s.Group, letter)
	})
}

// putLetter enters the group into the list of those that have letters before it stores the first.
func (c *conn) putLetter(ctx context.Context, group string, letter amqp.Publishing) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	queue := deadQueue(group)
	routed, err := c.confirmed(ctx, "", queue, true, letter)
	if err != nil || routed {
		return err
	}
	if err := c.put(ctx, queueGroups, quorum(nil), persistent(nil, []byte(group))); err != nil {
		return err
	}
	return c.put(ctx, queue, deadArguments(), letter)
}

func readDeadLetter(d *amqp.Delivery) driver.DeadLetter {
	letter := driver.DeadLetter{
		ID:      d.MessageId,
		Group:   text(d.Headers, deadGroup),
		Topic:   text(d.Headers, headerTopic),
		Reason:  text(d.Headers, deadReason),
		Message: &driver.Message{Header: headerOf(d.Headers), Body: d.Body},
	}
	letter.Attempts, _ = strconv.Atoi(text(d.Headers, deadAttempts))
	letter.At, _ = time.Parse(time.RFC3339Nano, text(d.Headers, deadAt))
	return letter
}

// DeadLetters implements driver.Bus.
func (c *conn) DeadLetters(ctx context.Context, group string, limit int) (all []driver.DeadLetter, err error) {
	if limit <= 0 {
		return nil, nil
	}
	err = c.scan(ctx, deadQueue(group), func(d *amqp.Delivery) bool {
		all = append(all, readDeadLetter(d))
		if len(all) >= 2*limit+64 { // what lies in the queue may be much larger than what is wanted of it
			all = oldest(all, limit)
		}
		return false
	})
	if err != nil {
		return nil, err
	}
	return oldest(all, limit), nil
}

// oldest sorts by id, which begins with the time: letters that were looked at go back to the queue
// in an order that is the broker's affair.
func oldest(all []driver.DeadLetter, limit int) []driver.DeadLetter {
	slices.SortFunc(all, func(a, b driver.DeadLetter) int { return cmp.Compare(a.ID, b.ID) })
	return slices.Clip(all[:min(len(all), limit)])
}

// DeadGroups implements driver.Bus.
func (c *conn) DeadGroups(ctx context.Context) ([]driver.DeadGroup, error) {
	seen := map[string]bool{}
	err := c.scan(ctx, queueGroups, func(d *amqp.Delivery) bool {
		again := seen[string(d.Body)]
		seen[string(d.Body)] = true
		return again
	})
	if err != nil {
		return nil, err
	}
	var all []driver.DeadGroup
	for group := range seen {
		n, err := c.countLetters(ctx, group)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			all = append(all, driver.DeadGroup{Group: group, Letters: n})
		}
	}
	slices.SortFunc(all, func(a, b driver.DeadGroup) int { return cmp.Compare(a.Group, b.Group) })
	return all, nil
}

// DropLetter implements driver.Bus.
func (c *conn) DropLetter(ctx context.Context, group, id string) error {
	found := false
	err := c.scan(ctx, deadQueue(group), func(d *amqp.Delivery) bool {
		mine := d.MessageId == id
		found = found || mine
		return mine
	})
	if err == nil && !found {
		return noLetter(group, id)
	}
	return err
}

// ReplayLetter implements driver.Bus.
func (c *conn) ReplayLetter(ctx context.Context, group, id string) error {
	found := false
	var replayed error
	err := c.scan(ctx, deadQueue(group), func(d *amqp.Delivery) bool {
		if d.MessageId != id {
			return false
		}
		found = true
		replayed = c.replay(ctx, group, d)
		return replayed == nil
	})
	if err == nil && !found {
		return noLetter(group, id)
	}
	return cmp.Or(err, replayed)
}

// replay gives the event of a letter to the group's queue, as it was published.
func (c *conn) replay(ctx context.Context, group string, d *amqp.Delivery) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	topic := text(d.Headers, headerTopic)
	pattern := cmp.Or(text(d.Headers, deadPattern), topic)
	headers := tableOf(headerOf(d.Headers))
	headers[headerTopic] = topic
	routed, err := c.confirmed(ctx, "", groupQueue(group, pattern), true, persistent(headers, d.Body))
	if err == nil && !routed {
		return fault.New(fault.NotFound, driver.ReasonNoGroup,
			"group %s does not take %s on this bus: start a member of it and replay again", group, pattern)
	}
	return err
}

func noLetter(group, id string) error {
	return fault.New(fault.NotFound, driver.ReasonNoLetter, "group %s has no dead letter %q", group, id)
}
