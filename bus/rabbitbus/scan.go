package rabbitbus

import (
	"context"
	"math/rand/v2"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

const (
	scanTimeout = 30 * time.Second
	scanIdle    = 2 * time.Second // nothing for so long is the end, whatever the broker counted
	scanWindow  = 2 * keptDead    // deliveries at once: a queue that is read through comes whole
	lockRetry   = 20 * time.Millisecond
	returnCheck = 5 * time.Millisecond
)

// scan shows visit every message of a queue, and removes those that it says. All others are back in the
// queue when scan returns. One scan of a queue runs at a time, whoever does it: what one has in
// hand another would not see. A queue that does not exist is empty.
func (c *conn) scan(ctx context.Context, queue string, visit func(d *amqp.Delivery) (remove bool)) error {
	return c.alone(ctx, queue, func(ctx context.Context, s *session) error {
		n, err := s.count(ctx, queue)
		if err != nil || n == 0 {
			return err
		}
		ch, err := s.channel(ctx)
		if err != nil {
			return err
		}
		removed, err := readThrough(ctx, ch, queue, n, visit)
		if err != nil {
			return engineError(err, "read the queue "+queue)
		}
		s.awaitReturn(ctx, queue, n-removed)
		return nil
	})
}

// countLetters counts the dead letters of group.
func (c *conn) countLetters(ctx context.Context, group string) (n int, err error) {
	err = c.alone(ctx, deadQueue(group), func(ctx context.Context, s *session) error {
		n, err = s.count(ctx, deadQueue(group))
		return err
	})
	return n, err
}

// alone runs f while nobody else runs such an f for queue.
func (c *conn) alone(ctx context.Context, queue string, f func(context.Context, *session) error) error {
	ctx, cancel := context.WithTimeout(ctx, scanTimeout)
	defer cancel()
	s, err := c.session(ctx)
	if err != nil {
		return err
	}
	unlock, err := s.lock(ctx, queue)
	if err != nil {
		return err
	}
	defer unlock()
	return f(ctx, s)
}

// lock waits until this is the only holder of the lock of that name. It is the exclusive consumer of an
// exclusive queue: the first keeps out this connection's others, the second all other connections.
// The broker takes it from one whose connection breaks.
func (s *session) lock(ctx context.Context, name string) (unlock func(), err error) {
	queue := bounded(prefixLock, name)
	for {
		ch, err := s.channel(ctx)
		if err != nil {
			return nil, err
		}
		err = perform(ctx, ch, func() error {
			if _, err := ch.QueueDeclare(queue, false, true, true, false, nil); err != nil {
				return err
			}
			_, err := ch.Consume(queue, feedTag, true, true, false, false, nil)
			return err
		})
		if err == nil {
			return func() { closeSoon(ch) }, nil
		}
		if !isHeld(err) {
			return nil, engineError(err, "lock the queue "+name)
		}
		if !pause(ctx, lockRetry/2+rand.N(lockRetry)) {
			return nil, fault.Wrap(ctx.Err(), fault.Unavailable, driver.ReasonEngine,
				"others kept reading the queue %s all the time; try again", name)
		}
	}
}

// isHeld tells that somebody else has the lock, or had it a moment ago.
func isHeld(err error) bool {
	return isLocked(err) || hasCode(err, amqp.NotFound) || isRefused(err) && strings.Contains(err.Error(), "exclusive use")
}

// closeSoon closes a channel and returns when the broker has heard of it.
func closeSoon(ch *amqp.Channel) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = await(ctx, ch.Close)
}

// count returns how many messages lie ready in a queue; 0 where there is none.
func (s *session) count(ctx context.Context, queue string) (int, error) {
	var found amqp.Queue
	err := s.do(ctx, "look at the queue "+queue, func(ch *amqp.Channel) (err error) {
		found, err = ch.QueueDeclarePassive(queue, true, false, false, false, nil)
		return err
	})
	if hasCode(err, amqp.NotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return found.Messages, nil
}

// readThrough takes n messages, acknowledges those that visit says, and gives the others back by closing ch.
func readThrough(ctx context.Context, ch *amqp.Channel, queue string, n int, visit func(*amqp.Delivery) bool) (removed int, err error) {
	var deliveries <-chan amqp.Delivery
	err = perform(ctx, ch, func() (err error) {
		if err = ch.Qos(scanWindow, 0, false); err == nil {
			deliveries, err = ch.Consume(queue, feedTag, false, false, false, false, nil)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	for seen := 0; err == nil && seen < n; seen++ {
		d, open := next(ctx, deliveries)
		switch {
		case !open:
			err = fault.New(fault.Unavailable, driver.ReasonEngine,
				"the broker handed over only %d of the %d messages of the queue %s; try again", seen, n, queue)
		case d == nil:
			seen = n
		case visit(d):
			removed++
			err = d.Ack(false)
		}
	}
	if err == nil {
		err = ctx.Err()
	}
	closeSoon(ch) // what is unacknowledged goes back
	return removed, err
}

// next returns nil where nothing comes any more; open is false where the broker, or the connection's end, closed the channel.
func next(ctx context.Context, deliveries <-chan amqp.Delivery) (d *amqp.Delivery, open bool) {
	idle := time.NewTimer(scanIdle)
	defer idle.Stop()
	select {
	case d, open := <-deliveries:
		return &d, open
	case <-idle.C:
	case <-ctx.Done():
	}
	return nil, true
}

// awaitReturn waits until n messages lie in the queue again, so that the next scan sees them all. They do
// not where others made room for new ones meanwhile: it gives up after closeTimeout.
func (s *session) awaitReturn(ctx context.Context, queue string, n int) {
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	for {
		ready, err := s.count(ctx, queue)
		if err != nil || ready >= n || !pause(ctx, returnCheck) {
			return
		}
	}
}
