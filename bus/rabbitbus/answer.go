package rabbitbus

import (
	"context"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// queueUnroutable is where the keepers of a zone compete for what could not be routed.
const queueUnroutable = "h2.unroutable"

const (
	answerBatch   = 256
	answerBarrier = 200 * time.Millisecond // a refusal is sent by then, even if it may not know the latest change
)

// Answer implements driver.Keeper.
func (c *conn) Answer(ctx context.Context) error {
	return c.whileKept(ctx, "answering what cannot be routed", func(ctx context.Context, s *session, again chan<- struct{}) error {
		if s.guest {
			return nil // that zone has keepers of its own
		}
		if err := c.follow(ctx); err != nil {
			return err
		}
		ch, err := s.channel(ctx)
		if err != nil {
			return err
		}
		var deliveries <-chan amqp.Delivery
		err = perform(ctx, ch, func() (err error) {
			deliveries, err = consumeUnroutable(ch)
			return err
		})
		if err != nil {
			return engineError(err, "open the queue "+queueUnroutable)
		}
		c.tasks.Go(func() {
			defer release(ch)
			c.answerAll(ctx, s, deliveries)
			if ctx.Err() == nil {
				again <- struct{}{}
			}
		})
		return nil
	})
}

// whileKept keeps start until ctx ends, whatever fails, and returns nil then.
func (c *conn) whileKept(ctx context.Context, what string, start func(context.Context, *session, chan<- struct{}) error) error {
	for attempt := 0; ctx.Err() == nil && c.ctx.Err() == nil; attempt++ {
		again := make(chan struct{}, 1)
		stop, err := c.keep(ctx, what, again, func(ctx context.Context, s *session) error { return start(ctx, s, again) })
		if err == nil {
			select {
			case <-ctx.Done():
			case <-c.ctx.Done():
			}
			stop()
			break
		}
		if ctx.Err() == nil && c.ctx.Err() == nil {
			c.log.Warn("bus: "+what+" failed and is tried again", "name", c.config.Name, "error", err)
		}
		pause(ctx, backoff(attempt))
	}
	if ctx.Err() == nil {
		return errClosed()
	}
	return nil
}

func consumeUnroutable(ch *amqp.Channel) (<-chan amqp.Delivery, error) {
	if _, err := ch.QueueDeclare(queueUnroutable, false, true, false, false, nil); err != nil {
		return nil, err
	}
	if err := ch.QueueBind(queueUnroutable, "", exchangeUnroutable, false, nil); err != nil {
		return nil, err
	}
	return ch.Consume(queueUnroutable, "", true, false, false, false, nil)
}

// answerAll answers what comes, in batches: each waits once until the latest changes are known.
func (c *conn) answerAll(ctx context.Context, s *session, deliveries <-chan amqp.Delivery) {
	for {
		select {
		case <-ctx.Done():
			return
		case d, ok := <-deliveries:
			if !ok {
				return
			}
			batch := append(waiting(deliveries, answerBatch), d)
			limit, cancel := context.WithTimeout(ctx, answerBarrier)
			_ = c.barrier(limit)
			cancel()
			for i := range batch {
				if err := c.answer(ctx, s, &batch[i]); err != nil && ctx.Err() == nil {
					c.log.Debug("an answer to what cannot be routed was not sent", "name", c.config.Name, "error", err)
				}
			}
		}
	}
}

// waiting takes up to n deliveries that are there already.
func waiting(deliveries <-chan amqp.Delivery, n int) (batch []amqp.Delivery) {
	for len(batch) < n {
		select {
		case d, ok := <-deliveries:
			if !ok {
				return batch
			}
			batch = append(batch, d)
		default:
			return batch
		}
	}
	return batch
}

// answer refuses one request, or sends it on to the zone where its instance lives or may live, and seeks who waits for a
// reply. What else nobody takes is dropped.
func (c *conn) answer(ctx context.Context, s *session, d *amqp.Delivery) error {
	_, crossed := d.Headers[headerReceived]
	direct := d.Exchange == exchangeDirect || d.Exchange == directZoneExchange(c.config.Zone.Zone)
	switch {
	case d.RoutingKey == keyJoin && crossed:
		return c.standIn(ctx, s, d)
	case strings.HasPrefix(d.RoutingKey, prefixReply):
		return c.seek(ctx, s, d, crossed)
	case text(d.Headers, headerReply) == "":
		return nil
	case !direct:
		return c.refuse(ctx, s, d, c.explain(d, crossed))
	}
	if z, ok := c.keeper.mirror.placeOf(d.RoutingKey); ok && !crossed {
		return s.reply(ctx, target{directZoneExchange(z.Zone), d.RoutingKey}, forwarded(d))
	}
	if zones := c.keeper.mirror.living(); !crossed && len(zones) > 0 {
		return c.searchZones(ctx, s, d, zones)
	}
	return c.refuse(ctx, s, d, driver.NoInstance(d.RoutingKey))
}

// seek sends a reply that no link takes to its caller's zone to the others that live: the caller may be a guest in one.
// It does so once: where no link takes it there either, it comes back.
func (c *conn) seek(ctx context.Context, s *session, d *amqp.Delivery, crossed bool) error {
	if _, sought := d.Headers[headerSought]; sought || crossed {
		return nil
	}
	p := forwarded(d)
	p.Headers = amqp.Table{headerSought: true}
	maps.Copy(p.Headers, d.Headers)
	for _, z := range c.keeper.mirror.living() {
		if to := directZoneExchange(z); to != d.Exchange {
			if err := s.reply(ctx, target{to, d.RoutingKey}, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// searches is how many run at once, of instances that no zone has told of.
const searches = 64

// searchZones is for a direct request to an instance that is not bound anywhere: it may run in
// another zone all the same. It asks one zone after the other, in the caller's stead.
func (c *conn) searchZones(ctx context.Context, s *session, d *amqp.Delivery, zones []string) error {
	if c.keeper.searching.Add(1) > searches {
		c.keeper.searching.Add(-1)
		return c.refuse(ctx, s, d, driver.NoInstance(d.RoutingKey))
	}
	found := *d
	c.tasks.Go(func() {
		defer c.keeper.searching.Add(-1)
		if err := c.search(ctx, s, &found, zones); err != nil && ctx.Err() == nil {
			c.log.Debug("a direct request was not answered", "name", c.config.Name, "instance", found.RoutingKey, "error", err)
		}
	})
	return nil
}

// search goes on to the next zone only where nobody was there: a refusal tells the caller that nobody got the
// request. Of one that may have been handled it says nothing, and the caller's budget ends.
func (c *conn) search(ctx context.Context, s *session, d *amqp.Delivery, zones []string) error {
	m := new(driver.Message)
	if err := messageOf(d.Headers, d.ContentEncoding, d.Body, m); err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, budgetOf(m))
	defer cancel()
	for _, zone := range zones {
		answer, err := s.ask(limit, target{directZoneExchange(zone), d.RoutingKey}, withBudget(limit, m))
		if err == nil {
			p := publishing(answer, amqp.Table{})
			p.CorrelationId = d.CorrelationId
			return s.reply(ctx, c.wayBack(d), p)
		}
		if !fault.Is(err, fault.NoRoute) {
			return err
		}
	}
	return c.refuse(ctx, s, d, driver.NoInstance(d.RoutingKey))
}

// budgetOf is how long m's caller waits at most.
func budgetOf(m *driver.Message) time.Duration {
	ms, err := strconv.ParseInt(m.Header.Get(driver.HeaderBudget), 10, 64)
	if most := callTimeout.Milliseconds(); err != nil || ms > most {
		ms = most
	}
	return time.Duration(ms) * time.Millisecond
}

// forwarded is the message of d as it was sent.
func forwarded(d *amqp.Delivery) amqp.Publishing {
	return amqp.Publishing{
		Headers: d.Headers, ContentEncoding: d.ContentEncoding, DeliveryMode: amqp.Transient, CorrelationId: d.CorrelationId,
		ReplyTo: d.ReplyTo, Expiration: d.Expiration, Body: d.Body,
	}
}

// explain says why the broker could not route a request.
func (c *conn) explain(d *amqp.Delivery, crossed bool) *fault.Error {
	header := headerOf(d.Headers)
	header.Set(driver.HeaderService, d.RoutingKey)
	q := driver.Query{Header: header, From: zoneOf(text(d.Headers, headerZone)), Crossed: crossed, Rand: rand.Uint64N}
	if crossed {
		q.From.Zone = c.config.Zone.Zone
	}
	table := c.keeper.mirror.table.Load()
	if table == nil {
		table = &driver.Table{}
	}
	if _, err := table.Route(q); err != nil {
		return fault.From(err)
	}
	// It is bound, and the broker found nobody there.
	return driver.NoRoute(d.RoutingKey, driver.MissGone, time.Time{})
}

func (c *conn) refuse(ctx context.Context, s *session, d *amqp.Delivery, why *fault.Error) error {
	to := c.wayBack(d)
	if to.key == "" {
		return nil
	}
	return s.reply(ctx, to, amqp.Publishing{
		Headers:       amqp.Table{headerNoRoute: why.Reason},
		DeliveryMode:  amqp.Transient,
		CorrelationId: d.CorrelationId,
		Body:          []byte(why.Message),
	})
}
