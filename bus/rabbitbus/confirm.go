package rabbitbus

import (
	"context"
	"errors"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// maxConfirmers bounds the channels of one session that publish with confirms; publishers beyond wait.
const maxConfirmers = 64

// confirmers is a pool of channels in confirm mode. One publisher has a channel at a time, so
// that a message that comes back (basic.return) is known to be its own.
type confirmers struct {
	once sync.Once
	room chan struct{} // one token for each channel that may be in use
	mu   sync.Mutex
	idle []*confirmer
}

type confirmer struct {
	channel *amqp.Channel
	returns chan amqp.Return
	closed  chan *amqp.Error
}

var errNotTaken = errors.New("the broker answered basic.nack")

// confirmed publishes p and returns when the broker has taken it: stored it in every durable
// queue that it goes to. routed is false where a mandatory message went to no queue.
func (c *conn) confirmed(ctx context.Context, exchange, key string, mandatory bool, p amqp.Publishing) (routed bool, err error) {
	if len(key) > maxShort {
		return false, fault.New(fault.BadRequest, "bus.bad_name", "a name of %d bytes: AMQP takes %d at most", len(key), maxShort)
	}
	s, _, err := c.ready(ctx)
	if err != nil {
		return false, err
	}
	ch, err := s.takeConfirmer(ctx)
	if err != nil {
		return false, err
	}
	routed, err = ch.publish(ctx, exchange, key, mandatory, p)
	s.giveConfirmer(ch, err == nil)
	return routed, s.publishError(err, exchange)
}

func (ch *confirmer) publish(ctx context.Context, exchange, key string, mandatory bool, p amqp.Publishing) (routed bool, err error) {
	confirmation, err := ch.channel.PublishWithDeferredConfirm(exchange, key, mandatory, false, p)
	if err != nil {
		return false, err
	}
	taken, err := confirmation.WaitContext(ctx)
	switch {
	case err != nil:
		return false, err
	case !taken:
		return false, reasonOf(ch.closed, errNotTaken) // what waits when the channel closes counts as not taken
	}
	select {
	case <-ch.returns: // the broker sends it before the confirmation
		return false, nil
	default:
		return true, nil
	}
}

func (s *session) publishError(err error, exchange string) error {
	switch {
	case err == nil:
		return nil
	case s.ctx.Err() != nil || s.amqp.IsClosed():
		return fault.Wrap(errors.Join(errSessionLost, err), fault.Unavailable, driver.ReasonLost,
			"the connection to the bus broke before the broker confirmed the message: it may have been stored")
	}
	return engineError(err, "take a message for exchange "+exchange)
}

func (s *session) takeConfirmer(ctx context.Context) (*confirmer, error) {
	p := &s.confirms
	p.once.Do(func() { p.room = make(chan struct{}, maxConfirmers) })
	select {
	case p.room <- struct{}{}:
	case <-ctx.Done():
		return nil, fault.Wrap(ctx.Err(), fault.Unavailable, driver.ReasonDisconnected,
			"the broker did not confirm the messages of %d others in time; nothing was sent", maxConfirmers)
	}
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		ch := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return ch, nil
	}
	p.mu.Unlock()
	ch, err := s.openConfirmer(ctx)
	if err != nil {
		<-p.room
	}
	return ch, err
}

func (s *session) openConfirmer(ctx context.Context) (*confirmer, error) {
	channel, err := s.channel(ctx)
	if err != nil {
		return nil, err
	}
	ch := &confirmer{channel, channel.NotifyReturn(make(chan amqp.Return, 1)), channel.NotifyClose(make(chan *amqp.Error, 1))}
	if err := perform(ctx, channel, func() error { return channel.Confirm(false) }); err != nil {
		return nil, engineError(err, "confirm messages")
	}
	return ch, nil
}

// giveConfirmer takes a channel back. One that failed, or whose confirmation may still come, is closed.
func (s *session) giveConfirmer(ch *confirmer, good bool) {
	p := &s.confirms
	if good {
		p.mu.Lock()
		p.idle = append(p.idle, ch)
		p.mu.Unlock()
	} else {
		release(ch.channel)
	}
	<-p.room
}
