package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/bus/rabbitbus"
)

// directReplyTo is RabbitMQ's pseudo-queue of replies to the channel that asked.
const directReplyTo = "amq.rabbitmq.reply-to"

// measureRabbitCalls compares a call on RabbitMQ with amqp091-go's request and reply alone, on the same broker. The
// bare calls have a connection and a channel on each side, as a service's two sides have.
func measureRabbitCalls(ctx context.Context, o options) (any, error) {
	if err := o.rabbit.open(ctx); err != nil {
		return nil, err
	}
	h, err := openHouseOn(ctx, o.rabbit.url())
	if err != nil {
		return nil, err
	}
	defer h.close()
	peers, err := startRabbitPeers(ctx, h, o.rabbit.broker.URL())
	if err != nil {
		return nil, err
	}
	o.accounts = []int{os.Getpid(), o.rabbit.broker.Nodes()[0].PID()}
	o.rounds, o.duration = 4*o.rounds, o.duration/4 // in shorter turns: what a broker does varies more from second to second
	figures, err := compareCalls(ctx, peers, o)
	if err != nil {
		return nil, err
	}
	fmt.Println("  goal: hansom ≥ 0.90 of amqp, which has nothing but the body; amqp+headers has the metadata of the platform's messages as AMQP\n" +
		"  headers, amqp+bytes the same in front of the body")
	return figures, nil
}

// startRabbitPeers are the three kinds of bare calls, the bus alone to an instance by name, and the platform.
func startRabbitPeers(ctx context.Context, h *house, url string) ([]peer, error) {
	caller, err := h.openEcho(ctx)
	if err != nil {
		return nil, err
	}
	sent, answered, err := h.spyEcho(ctx)
	if err != nil {
		return nil, err
	}
	bare, err := startAMQP(h, url, cargo{}, cargo{})
	if err != nil {
		return nil, err
	}
	laden, err := startAMQP(h, url, cargo{headers: tableOf(sent)}, cargo{headers: tableOf(answered)})
	if err != nil {
		return nil, err
	}
	longer, err := startAMQP(h, url, cargo{lead: driver.AppendMessage(nil, sent, nil)}, cargo{lead: driver.AppendMessage(nil, answered, nil)})
	if err != nil {
		return nil, err
	}
	alone, err := startBus(ctx, h, sent, answered)
	if err != nil {
		return nil, err
	}
	return []peer{
		{"amqp", bare, func() {}}, {"amqp+headers", laden, func() {}}, {"amqp+bytes", longer, func() {}},
		{"bus", alone, func() {}}, {"hansom", h.call(caller), func() {}},
	}, nil
}

// A spy is a bus that remembers the last request and its reply.
type spy struct {
	driver.Bus
	request, reply atomic.Pointer[driver.Message]
}

func (s *spy) Request(ctx context.Context, instance string, m *driver.Message) (*driver.Message, error) {
	reply, err := s.Bus.Request(ctx, instance, m)
	s.request.Store(&driver.Message{Header: m.Header.Clone()})
	s.reply.Store(reply)
	return reply, err
}

// spyEcho returns the headers that a call of the platform has, there and back.
func (h *house) spyEcho(ctx context.Context) (sent, answered driver.Header, err error) {
	s, err := h.service("core.caller")
	if err != nil {
		return nil, nil, err
	}
	opened, err := h.openDriver(ctx)
	if err != nil {
		return nil, nil, err
	}
	watched := &spy{Bus: opened}
	if err := h.startOver(s, func(context.Context) (*bus.Bus, error) { return bus.New(watched), nil })(); err != nil {
		return nil, nil, err
	}
	if err := h.call(s)(ctx, nil); err != nil {
		return nil, nil, err
	}
	return watched.request.Load().Header, watched.reply.Load().Header.Clone(), nil
}

// openDriver opens the bus on RabbitMQ without what package bus puts above it.
func (h *house) openDriver(ctx context.Context) (driver.Bus, error) {
	config, err := rabbitbus.ParseURL(h.bus)
	if err != nil {
		return nil, err
	}
	config.Zone, config.Name = zone, "bench"
	return rabbitbus.Open(ctx, config)
}

// startBus is a call over the bus to an instance by name, which has no library above it.
func startBus(ctx context.Context, h *house, sent, answered driver.Header) (func(context.Context, []byte) error, error) {
	const instance = "core.bare-1"
	var sides [2]*bus.Bus
	for i := range sides {
		opened, err := h.openDriver(ctx)
		if err != nil {
			return nil, err
		}
		sides[i] = bus.New(opened)
		h.closing(func() { _ = sides[i].Close(context.WithoutCancel(ctx)) })
	}
	_, err := sides[1].Serve(ctx, instance, func(_ context.Context, m *bus.Message) *bus.Message {
		return &bus.Message{Header: answered.Clone(), Body: m.Body}
	})
	return func(ctx context.Context, body []byte) error {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		reply, err := sides[0].RequestTo(ctx, instance, &bus.Message{Header: sent.Clone(), Body: body})
		if err != nil {
			return err
		}
		return sameSize(body, reply.Body)
	}, err
}

// cargo is what goes with every body: headers, or as many bytes in front of it.
type cargo struct {
	headers amqp.Table
	lead    []byte
}

func (c cargo) with(body []byte) []byte {
	if c.lead == nil {
		return body
	}
	return append(append(make([]byte, 0, len(c.lead)+len(body)), c.lead...), body...)
}

// asker is what one writes by hand over amqp091-go: a channel, and who waits on it.
type asker struct {
	channel *amqp.Channel
	queue   string
	sent    cargo
	answers int // bytes before the body in a reply

	mu      sync.Mutex
	last    uint64
	waiting map[string]chan []byte
}

// startAMQP is request and reply as amqp091-go has them, with direct reply-to: one connection and one channel for the callers, and as
// many for the responder. The same cargo goes with every request, and with every reply.
func startAMQP(h *house, url string, sent, answered cargo) (func(context.Context, []byte) error, error) {
	var sides [2]*amqp.Channel
	for i := range sides {
		c, err := amqp.Dial(url)
		if err != nil {
			return nil, err
		}
		h.closing(func() { _ = c.Close() })
		if sides[i], err = c.Channel(); err != nil {
			return nil, err
		}
	}
	a := &asker{channel: sides[0], sent: sent, answers: len(answered.lead), waiting: map[string]chan []byte{}}
	q, err := sides[1].QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		return nil, err
	}
	a.queue = q.Name
	requests, err := sides[1].Consume(q.Name, "", true, true, false, false, nil)
	if err != nil {
		return nil, err
	}
	replies, err := sides[0].Consume(directReplyTo, "", true, false, false, false, nil)
	if err != nil {
		return nil, err
	}
	go respond(sides[1], requests, len(sent.lead), answered)
	go a.take(replies)
	return a.call, nil
}

// respond echoes each request's body, which begins after so many bytes.
func respond(ch *amqp.Channel, requests <-chan amqp.Delivery, after int, answered cargo) {
	for d := range requests {
		_ = ch.PublishWithContext(context.Background(), "", d.ReplyTo, false, false,
			amqp.Publishing{Headers: answered.headers, CorrelationId: d.CorrelationId, Body: answered.with(d.Body[after:])})
	}
}

func (a *asker) take(replies <-chan amqp.Delivery) {
	for d := range replies {
		a.mu.Lock()
		w := a.waiting[d.CorrelationId]
		delete(a.waiting, d.CorrelationId)
		a.mu.Unlock()
		if w != nil {
			w <- d.Body
		}
	}
}

func (a *asker) call(ctx context.Context, body []byte) error {
	w := make(chan []byte, 1)
	a.mu.Lock()
	a.last++
	id := strconv.FormatUint(a.last, 10)
	a.waiting[id] = w
	a.mu.Unlock()
	err := a.channel.PublishWithContext(ctx, "", a.queue, false, false,
		amqp.Publishing{Headers: a.sent.headers, CorrelationId: id, ReplyTo: directReplyTo, Body: a.sent.with(body)})
	if err != nil {
		return err
	}
	timeout := time.NewTimer(callTimeout)
	defer timeout.Stop()
	select {
	case reply := <-w:
		return sameSize(body, reply[a.answers:])
	case <-timeout.C:
		return errors.New("no reply within " + callTimeout.String())
	}
}

func sameSize(sent, got []byte) error {
	if len(got) != len(sent) {
		return fmt.Errorf("sent %d bytes, got %d", len(sent), len(got))
	}
	return nil
}

// tableOf is how headers go over AMQP: a text for each.
func tableOf(h driver.Header) amqp.Table {
	t := amqp.Table{}
	for _, f := range h {
		t[f.Key] = f.Value
	}
	return t
}
