package rabbitbus

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// A delivery is one request and the way back to its sender.
type delivery struct {
	message driver.Message
	conn    *conn
	to      target
	number  string // the request's, in its sender's count
}

// wayBack says where the reply to d goes: straight back, or to the sender's own queue in the zone
// that it came from. It is nowhere where a header was made up: too long a name would close the connection, and an
// unknown zone the channel.
func (c *conn) wayBack(d *amqp.Delivery) target {
	if _, crossed := d.Headers[headerReceived]; !crossed {
		return target{amqp.DefaultExchange, d.ReplyTo}
	}
	zone := zoneOf(text(d.Headers, headerZone)).Zone
	to := target{directZoneExchange(zone), text(d.Headers, headerReply)}
	if !strings.HasPrefix(to.key, prefixReply) || len(to.key) > maxShort || len(to.exchange) > maxShort || !c.mayBe(zone) {
		return target{}
	}
	return to
}

// mayBe tells whether there may be a zone of that name. Only binding services know those of the region.
func (c *conn) mayBe(zone string) bool {
	_, listed := c.config.Zones[zone]
	return listed || len(c.config.Zones) == 0 || zone == c.config.Zone.Zone
}

// Reply implements driver.Replier.
func (d *delivery) Reply(m *driver.Message) error {
	if d.to.key == "" {
		return nil
	}
	if err := checkFields(m.Header); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(d.conn.ctx, patience)
	defer cancel()
	s, _, err := d.conn.ready(ctx)
	if err != nil {
		return err
	}
	p := publishing(m, amqp.Table{})
	defer recycle(&p)
	p.CorrelationId = d.number
	return s.reply(ctx, d.to, p)
}

// replyChannels is the number of channels that a session sends replies on: see requestLanes.
const replyChannels = 1

// publishers are channels to publish on without confirms, opened when first needed.
type publishers struct {
	next    atomic.Uint64
	local   [replyChannels]publisher
	crossed publisher // the broker closes it where a zone is unknown
}

type publisher struct {
	current atomic.Pointer[amqp.Channel]
	mu      sync.Mutex // held while a channel is opened
}

func (s *session) reply(ctx context.Context, to target, p amqp.Publishing) error {
	via := &s.publishers.crossed
	if to.exchange == amqp.DefaultExchange {
		via = &s.publishers.local[s.publishers.next.Add(1)%replyChannels]
	}
	ch, err := via.channel(ctx, s)
	if err != nil {
		return err
	}
	if _, err = ch.PublishWithDeferredConfirm(to.exchange, to.key, false, false, p); err != nil {
		if s.amqp.IsClosed() {
			return errDisconnected(err)
		}
		return fault.Wrap(err, fault.Unavailable, driver.ReasonEngine, "the reply could not be sent")
	}
	return nil
}

func (p *publisher) channel(ctx context.Context, s *session) (*amqp.Channel, error) {
	if ch := p.current.Load(); ch != nil && !ch.IsClosed() {
		return ch, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if ch := p.current.Load(); ch != nil && !ch.IsClosed() {
		return ch, nil
	}
	ch, err := s.channel(ctx)
	if err != nil {
		return nil, err
	}
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	s.conn.tasks.Go(func() {
		if refusal := <-closed; refusal != nil && s.ctx.Err() == nil && !errors.Is(refusal, amqp.ErrClosed) && refusal.Server {
			s.conn.log.Warn("the broker refused a reply", "name", s.conn.config.Name, "error", refusal)
		}
	})
	p.current.Store(ch)
	return ch, nil
}
