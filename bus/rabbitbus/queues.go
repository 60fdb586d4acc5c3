package rabbitbus

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// The queues of events.
const (
	prefixEvents = "h2.events." // an ephemeral subscription's, exclusive, with an id of its own
	prefixGroup  = "h2.group."  // h2.group.<group>=t=<topic>: what the group has not handled
	prefixRetry  = "h2.retry."  // h2.retry.<ms>.<group>=t=<topic>: waits that long, then goes back to the group
	prefixDead   = "h2.dead."   // h2.dead.<group>: what the group gave up
	prefixLock   = "h2.lock."   // held by who reads the queue of that name through
	queueGroups  = "h2.dead"    // the names of all groups that ever gave an event up
)

// Headers of events that the driver keeps to itself. Being of the broker's kind, they cannot be
// mistaken for a field of the message: see wireKey.
const (
	headerTopic      = "x-h2-topic"    // what came by its queue's name was published to this topic
	headerAttempts   = "x-h2-attempts" // deliveries before this message was made
	deadGroup        = "x-h2-dead-group"
	deadPattern      = "x-h2-dead-pattern" // what the group subscribed to
	deadReason       = "x-h2-dead-reason"
	deadAttempts     = "x-h2-dead-attempts"
	deadAt           = "x-h2-dead-at"     // RFC 3339 with nanoseconds
	headerDeliveries = "x-delivery-count" // quorum queues: earlier deliveries of this message
)

// endless is more deliveries than anything gets: members count, and listing a dead letter is a delivery.
// Without a limit of the queue's own, RabbitMQ 4 would throw messages away after 20.
const endless = 1_000_000

// maxGroup is the most bytes that a group's name has in those of queues: all fit whole, so that permissions can name them.
const maxGroup = 120

func groupName(group string) string { return shortened(escape(group), maxGroup) }

func groupQueue(group, topic string) string {
	return bounded(prefixGroup, groupName(group)+"=t="+escape(topic))
}

func retryQueue(group string, delay time.Duration) string {
	return bounded(prefixRetry, strconv.FormatInt(delay.Milliseconds(), 10)+"."+strings.TrimPrefix(group, prefixGroup))
}

func deadQueue(group string) string { return prefixDead + groupName(group) }

// bounded shortens a name that AMQP does not take.
func bounded(prefix, name string) string {
	return prefix + shortened(name, maxShort-len(prefix))
}

// shortened puts a digest in the place of the end of a name that has more than most bytes.
func shortened(name string, most int) string {
	if len(name) <= most {
		return name
	}
	digest := sha256.Sum256([]byte(name))
	end := "=d=" + hex.EncodeToString(digest[:])
	return name[:most-len(end)] + end
}

// escape turns every byte but letters, digits, ".", "-" and "_" into "=" and two hexadecimal
// digits. It never holds "=t" or "=d=".
func escape(s string) string {
	const digits = "0123456789ABCDEF"
	var out strings.Builder
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '-', c == '_':
			out.WriteByte(c)
		default:
			out.Write([]byte{'=', digits[c>>4], digits[c&15]})
		}
	}
	return out.String()
}

// quorum returns the arguments of a queue whose messages survive the loss of a minority of its nodes.
func quorum(more amqp.Table) amqp.Table {
	t := amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum, "x-delivery-limit": endless}
	for k, v := range more {
		t[k] = v
	}
	return t
}

// retryArguments make a queue that keeps each message for delay and then hands it to group's queue,
// which has to confirm it. It is not given an x-expires: a quorum queue's counts from its
// creation, whatever is in it.
func retryArguments(group string, delay time.Duration) amqp.Table {
	return quorum(amqp.Table{
		"x-message-ttl":             delay.Milliseconds(),
		"x-dead-letter-exchange":    "",
		"x-dead-letter-routing-key": group,
		"x-dead-letter-strategy":    "at-least-once",
		"x-overflow":                "reject-publish", // at-least-once wants it
	})
}

// ensureQueue makes a durable queue where it is missing.
func (c *conn) ensureQueue(ctx context.Context, name string, arguments amqp.Table) error {
	s, err := c.session(ctx)
	if err != nil {
		return err
	}
	err = s.do(ctx, "find the queue "+name, func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
		return err
	})
	if !hasCode(err, amqp.NotFound) {
		return err
	}
	return c.makeQueue(ctx, name, arguments)
}

// makeQueue declares a durable queue on a connection of its own: without a majority of its nodes RabbitMQ
// answers by closing the connection (541 INTERNAL_ERROR, cluster_not_formed), which calls must not suffer.
func (c *conn) makeQueue(ctx context.Context, name string, arguments amqp.Table) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	opened, l, err := c.config.dial(ctx)
	if err != nil {
		return c.config.dialError(err)
	}
	defer func() { _ = l.Close() }()
	err = await(ctx, func() error {
		ch, err := opened.Channel()
		if err != nil {
			return err
		}
		if _, err := ch.QueueDeclare(name, true, false, false, false, arguments); err != nil {
			return err
		}
		return opened.Close()
	})
	return engineError(err, "declare the queue "+name)
}

// put publishes p to a queue that it makes where it is missing.
func (c *conn) put(ctx context.Context, name string, arguments amqp.Table, p amqp.Publishing) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for {
		routed, err := c.confirmed(ctx, "", name, true, p)
		if err != nil || routed {
			return err
		}
		if err := c.makeQueue(ctx, name, arguments); err != nil {
			return err
		}
	}
}
