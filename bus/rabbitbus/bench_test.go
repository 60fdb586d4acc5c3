package rabbitbus

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/bus/driver"
)

const (
	benchCallers = 64
	benchBody    = 256
)

// BenchmarkAgainstBareAMQP compares one call of the bus, with the metadata of a real one, with a
// request and reply of amqp091-go alone: same broker, one connection on each side, direct reply-to.
// bare-4 shares its connection between four channels, as the driver does.
func BenchmarkAgainstBareAMQP(b *testing.B) {
	e := startEngine(b, topologies[0])
	b.Run("bare", func(b *testing.B) { benchBare(b, e, 1, nil) })
	b.Run("bare-4", func(b *testing.B) { benchBare(b, e, 4, nil) })
	b.Run("bare-4-8-headers", func(b *testing.B) { benchBare(b, e, 4, callHeader()) })
	b.Run("bus-direct", func(b *testing.B) { benchBus(b, e, true) })
	b.Run("bus", func(b *testing.B) { benchBus(b, e, false) })
}

func callHeader() driver.Header {
	return driver.Header{
		{Key: driver.HeaderService, Value: "core.eta"}, {Key: driver.HeaderEndpoint, Value: "estimate"},
		{Key: driver.HeaderType, Value: driver.TypeRequest}, {Key: driver.HeaderBudget, Value: "10000"},
		{Key: driver.HeaderFrom, Value: "orchestration.neardrivers orchestration.neardrivers-01932d0c-7a6b-7c11-9b0e-2f6f3a1d5c4e"},
		{Key: driver.HeaderCohort, Value: "4711"},
		{Key: driver.HeaderTraceParent, Value: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
		{Key: driver.HeaderContentType, Value: driver.ContentProtobuf},
	}
}

// bareClient is what one writes by hand: a channel, and who waits on it.
type bareClient struct {
	channel *amqp.Channel
	mu      sync.Mutex
	next    uint64
	waiting map[string]chan amqp.Delivery
}

func newBareClient(b *testing.B, on *amqp.Connection) *bareClient {
	c := &bareClient{channel: must(on.Channel())(b), waiting: map[string]chan amqp.Delivery{}}
	replies := must(c.channel.Consume(directReplyTo, "", true, false, false, false, nil))(b)
	go func() {
		for d := range replies {
			c.mu.Lock()
			w := c.waiting[d.CorrelationId]
			delete(c.waiting, d.CorrelationId)
			c.mu.Unlock()
			w <- d
		}
	}()
	return c
}

func (c *bareClient) call(queue string, headers amqp.Table, body []byte) error {
	w := make(chan amqp.Delivery, 1)
	c.mu.Lock()
	c.next++
	id := strconv.FormatUint(c.next, 10)
	c.waiting[id] = w
	c.mu.Unlock()
	err := c.channel.Publish("", queue, false, false, amqp.Publishing{
		Headers: headers, CorrelationId: id, ReplyTo: directReplyTo, Body: body,
	})
	if err != nil {
		return err
	}
	select {
	case <-w:
		return nil
	case <-time.After(5 * time.Second):
		return errors.New("no reply within 5 s")
	}
}

func benchBare(b *testing.B, e *engine, channels int, header driver.Header) {
	dial := func() *amqp.Connection {
		c := must(amqp.Dial(e.broker("a").URL()))(b)
		b.Cleanup(func() { _ = c.Close() })
		return c
	}
	on := dial()
	queue := must(must(on.Channel())(b).QueueDeclare("", false, true, true, false, nil))(b).Name
	for range channels {
		ch := must(on.Channel())(b)
		requests := must(ch.Consume(queue, "", true, false, false, false, nil))(b)
		go func() {
			for d := range requests {
				_ = ch.Publish("", d.ReplyTo, false, false, amqp.Publishing{
					Headers: bareTable(header[:len(header)/2]), CorrelationId: d.CorrelationId, Body: d.Body,
				})
			}
		}()
	}
	from := dial()
	clients := make([]*bareClient, channels)
	for i := range clients {
		clients[i] = newBareClient(b, from)
	}
	body := make([]byte, benchBody)
	var next atomic.Uint64
	measure(b, func() error {
		return clients[next.Add(1)%uint64(channels)].call(queue, bareTable(header), body)
	})
}

func bareTable(h driver.Header) amqp.Table {
	if len(h) == 0 {
		return nil
	}
	return tableOf(h)
}

func benchBus(b *testing.B, e *engine, direct bool) {
	open := func() *bus.Bus {
		d, err := Open(b.Context(), e.config(zoneA))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = d.Close(context.Background()) })
		return bus.New(d)
	}
	client, server := open(), open()
	s, err := server.Serve(b.Context(), "core.eta-1", func(_ context.Context, m *bus.Message) *bus.Message {
		return &bus.Message{Header: bus.Header{
			{Key: bus.HeaderType, Value: bus.TypeReply},
			{Key: bus.HeaderServedBy, Value: "core.eta-1 20260102150405 a"},
			{Key: bus.HeaderContentType, Value: bus.ContentProtobuf},
		}, Body: m.Body}
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	if !direct {
		if err := server.Apply(b.Context(), zoneA, []bus.Binding{{
			Service: "core.eta", Instance: "core.eta-1", Version: "20260102150405", Region: zoneA.Region, Zone: zoneA.Zone, Weight: 100,
		}}); err != nil {
			b.Fatal(err)
		}
	}
	body, header := make([]byte, benchBody), callHeader()
	measure(b, func() error {
		ctx, cancel := context.WithTimeout(b.Context(), 5*time.Second)
		defer cancel()
		m := &bus.Message{Header: header.Clone(), Body: body}
		if direct {
			_, err := client.RequestTo(ctx, "core.eta-1", m)
			return err
		}
		_, err := client.Request(ctx, m)
		return err
	})
}

// measure shares b.N calls between the callers and reports calls per second and the 99th
// percentile of their times.
func measure(b *testing.B, call func() error) {
	times := make([]time.Duration, b.N)
	var next atomic.Int64
	var callers sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for range benchCallers {
		callers.Go(func() {
			for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
				start := time.Now()
				if err := call(); err != nil {
					b.Errorf("call %d: %v", i, err)
					return
				}
				times[i] = time.Since(start)
			}
		})
	}
	callers.Wait()
	b.StopTimer()
	slices.Sort(times)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
	b.ReportMetric(float64(times[b.N*99/100].Microseconds()), "p99-µs")
}
