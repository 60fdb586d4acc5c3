package rabbitbus

import (
	"context"
	"maps"
	"strconv"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hansom-platform/hansom/bus/driver"
)

// A forwarder sends direct requests for instances that no zone lists, because they are not bound yet,
// to all other zones that live. At most one has the instance. Answers come back through it, so that the caller
// hears of a refusal only when all have refused.
type forwarder struct {
	conn    *conn
	session *session
	queue   string

	mu      sync.Mutex
	number  uint64
	pending map[string]*forwardedRequest
}

type forwardedRequest struct {
	delivery *amqp.Delivery
	asked    int
	until    time.Time
}

const longestForward = time.Minute // for a request without an expiration

// forwarder opens the queue that answers come back to. It is read until ctx ends.
func (c *conn) forwarder(ctx context.Context, s *session, ch *amqp.Channel) (*forwarder, error) {
	q, err := ch.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		return nil, err
	}
	if err := ch.QueueBind(q.Name, q.Name, exchangeDirect, false, nil); err != nil {
		return nil, err
	}
	answers, err := ch.Consume(q.Name, "", true, true, false, false, nil)
	if err != nil {
		return nil, err
	}
	f := &forwarder{conn: c, session: s, queue: q.Name, pending: map[string]*forwardedRequest{}}
	c.tasks.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case d, ok := <-answers:
				if !ok {
					return
				}
				f.answered(ctx, &d)
			}
		}
	})
	return f, nil
}

// forward sends d to zones.
func (f *forwarder) forward(ctx context.Context, d *amqp.Delivery, zones []string) error {
	number := f.enter(d, len(zones))
	p := forwarded(d)
	p.Headers = maps.Clone(d.Headers)
	p.Headers[headerReply] = f.queue
	p.CorrelationId, p.ReplyTo = number, ""
	for _, z := range zones {
		if err := f.session.reply(ctx, target{directZoneExchange(z), d.RoutingKey}, p); err != nil {
			return err
		}
	}
	return nil
}

// enter keeps d until it is answered or its budget is spent.
func (f *forwarder) enter(d *amqp.Delivery, asked int) string {
	limit := longestForward
	if ms, err := strconv.ParseInt(d.Expiration, 10, 64); err == nil {
		limit = min(limit, time.Duration(ms)*time.Millisecond)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(f.pending, func(_ string, r *forwardedRequest) bool { return now.After(r.until) })
	f.number++
	number := strconv.FormatUint(f.number, 10)
	f.pending[number] = &forwardedRequest{d, asked, now.Add(limit)}
	return number
}

// answered passes an answer on to the caller: a reply, or the last refusal.
func (f *forwarder) answered(ctx context.Context, a *amqp.Delivery) {
	_, refused := a.Headers[headerNoRoute]
	f.mu.Lock()
	r := f.pending[a.CorrelationId]
	if r != nil {
		r.asked--
		if !refused || r.asked == 0 {
			delete(f.pending, a.CorrelationId)
		}
	}
	f.mu.Unlock()
	if r == nil || (refused && r.asked > 0) {
		return
	}
	var err error
	if refused {
		err = refuse(ctx, f.session, r.delivery, driver.NoInstance(r.delivery.RoutingKey))
	} else {
		delete(a.Headers, headerReceived)
		err = f.session.reply(ctx, wayBack(r.delivery), amqp.Publishing{
			Headers: a.Headers, DeliveryMode: amqp.Transient, CorrelationId: r.delivery.CorrelationId, Body: a.Body,
		})
	}
	if err != nil && ctx.Err() == nil {
		f.conn.log.Debug("an answer of another zone was not passed on", "name", f.conn.config.Name, "error", err)
	}
}
