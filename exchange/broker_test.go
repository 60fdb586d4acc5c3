package exchange

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hansom-platform/hansom/internal/rabbitmq"
)

const (
	within  = 90 * time.Second
	soon    = 10 * time.Second
	h2      = "test.h2"
	direct  = "test.direct" // knows queues by their names, as h2.direct does
	zone    = "test.zone"   // leads to the queue of the same name
	service = "core.eta"
)

// TestBroker tries the plugin on a real broker, which all its parts share.
func TestBroker(t *testing.T) {
	if testing.Short() {
		return
	}
	b := start(t, 1)
	t.Run("Nonsense", func(t *testing.T) { nonsense(t, b.URL()) })
	t.Run("Refusals", func(t *testing.T) { refusals(t, b.URL()) })
	t.Run("GoneInstance", func(t *testing.T) { goneInstance(t, b.URL()) })
	t.Run("ManyGone", func(t *testing.T) { manyGone(t, b.URL()) })
	t.Run("AlternateExchange", func(t *testing.T) { alternateExchange(t, b.URL()) })
}

func start(t *testing.T, nodes int) *rabbitmq.Broker {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	plugin, err := rabbitmq.FindExchange()
	must(t, err, "find the plugin")
	b, err := rabbitmq.Start(ctx, rabbitmq.Config{
		Dir: t.TempDir(), Nodes: nodes, Plugins: []string{plugin},
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	must(t, err, "start a broker")
	t.Cleanup(func() {
		for _, n := range b.Nodes() {
			must(t, n.Kill(), "kill a node")
		}
		must(t, b.Close(context.Background()), "close the broker")
	})
	return b
}

func must(t *testing.T, err error, what string) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// A desk is a connection with a channel, and what was delivered and returned on it.
type desk struct {
	t          *testing.T
	connection *amqp.Connection
	closed     chan *amqp.Error
	channel    *amqp.Channel
	returned   chan amqp.Return
}

func open(t *testing.T, url string) *desk {
	t.Helper()
	connection, err := amqp.Dial(url)
	must(t, err, "connect")
	t.Cleanup(func() { _ = connection.Close() })
	d := &desk{t: t, connection: connection, closed: connection.NotifyClose(make(chan *amqp.Error, 1))}
	d.channel = d.fresh()
	d.returned = d.channel.NotifyReturn(make(chan amqp.Return, 10_000))
	return d
}

func (d *desk) fresh() *amqp.Channel {
	d.t.Helper()
	ch, err := d.connection.Channel()
	must(d.t, err, "open a channel")
	return ch
}

// exchanges declares the three exchanges, anew.
func (d *desk) exchanges(arguments amqp.Table) {
	d.t.Helper()
	for name, kind := range map[string]string{h2: "x-h2", direct: "direct", zone: "fanout"} {
		must(d.t, d.channel.ExchangeDelete(name, false, false), "delete "+name)
		var own amqp.Table
		if name == h2 {
			own = arguments
		}
		must(d.t, d.channel.ExchangeDeclare(name, kind, true, false, false, false, own), "declare "+name)
	}
}

// queue declares and consumes a queue that ends with the connection, bound to direct under its name.
func (d *desk) queue(name string) <-chan amqp.Delivery {
	d.t.Helper()
	_, err := d.channel.QueueDeclare(name, false, false, true, false, nil)
	must(d.t, err, "declare "+name)
	must(d.t, d.channel.QueueBind(name, name, direct, false, nil), "bind "+name)
	deliveries, err := d.channel.Consume(name, name, true, true, false, false, nil)
	must(d.t, err, "consume "+name)
	return deliveries
}

// instance binds h2 to the queue that direct knows by name.
func (d *desk) instance(name string, more amqp.Table) {
	d.t.Helper()
	arguments := amqp.Table{"instance": name}
	for k, v := range more {
		arguments[k] = v
	}
	must(d.t, d.channel.ExchangeBind(direct, service, h2, false, arguments), "bind instance "+name)
}

func (d *desk) publish(id, key string, headers amqp.Table) {
	d.t.Helper()
	err := d.channel.PublishWithContext(d.t.Context(), h2, key, true, false, amqp.Publishing{MessageId: id, Headers: headers})
	must(d.t, err, "publish "+id)
}

func wantDelivery(t *testing.T, from <-chan amqp.Delivery, id string) {
	t.Helper()
	select {
	case m := <-from:
		if m.MessageId != id {
			t.Errorf("want message %q, got %q", id, m.MessageId)
		}
	case <-time.After(soon):
		t.Errorf("message %q did not come within %v", id, soon)
	}
}

func (d *desk) wantReturn(id string) {
	d.t.Helper()
	select {
	case m := <-d.returned:
		if m.MessageId != id {
			d.t.Errorf("want message %q returned, got %q", id, m.MessageId)
		}
	case <-time.After(soon):
		d.t.Errorf("message %q was not returned within %v", id, soon)
	}
}

// refusals: a binding that makes no sense is refused with 406 and words that name the argument; the connection stays.
func refusals(t *testing.T, url string) {
	d := open(t, url)
	d.exchanges(nil)
	for argument, arguments := range map[string]amqp.Table{
		"weight":           {"weight": int64(-1)},
		"version":          {"version": int32(2)},
		"instance":         {"instance": strings.Repeat("i", 256)},
		"match.h2-overlay": {"match.h2-overlay": true},
		"wieght":           {"wieght": int64(1)},
		"region":           {"region": "\xff\xfe"},
	} {
		err := d.fresh().ExchangeBind(direct, service, h2, false, arguments)
		var refused *amqp.Error
		if !errors.As(err, &refused) || refused.Code != amqp.PreconditionFailed || !strings.Contains(refused.Reason, argument) {
			t.Errorf("bind with %v: want 406 that names %q, got %v", arguments, argument, err)
		}
	}
	d.wantOpen()
}

func (d *desk) wantOpen() {
	d.t.Helper()
	select {
	case err := <-d.closed:
		d.t.Fatalf("the broker closed the connection: %v", err)
	default:
	}
}

// goneInstance: an instance that has left direct is passed over, and a message that nobody is left for is returned.
func goneInstance(t *testing.T, url string) {
	d := open(t, url)
	d.exchanges(nil)
	first, second := d.queue("gone.1"), d.queue("gone.2")
	d.instance("gone.1", amqp.Table{"match.h2-overlay": "alice"})
	d.instance("gone.2", nil)
	alice := amqp.Table{"h2-overlay": "alice"}

	d.publish("both", service, alice)
	wantDelivery(t, first, "both")
	must(t, d.channel.QueueUnbind("gone.1", "gone.1", direct, nil), "unbind")
	d.publish("second", service, alice)
	wantDelivery(t, second, "second")
	_, err := d.channel.QueueDelete("gone.2", false, false, false)
	must(t, err, "delete a queue")
	d.publish("nobody", service, alice)
	d.wantReturn("nobody")
	d.queue("gone.3")
	d.instance("gone.4", nil)
	d.publish("never there", service, alice)
	d.wantReturn("never there")
}

// manyGone: of a thousand that are bound, the one that is there gets every message.
func manyGone(t *testing.T, url string) {
	const gone, messages = 1_000, 20
	d := open(t, url)
	d.exchanges(nil)
	for i := range gone {
		d.instance(fmt.Sprint("many.gone.", i), nil)
	}
	there := d.queue("many.there")
	d.instance("many.there", nil)
	begun := time.Now()
	for i := range messages {
		d.publish(fmt.Sprint(i), service, nil)
	}
	for i := range messages {
		wantDelivery(t, there, fmt.Sprint(i))
	}
	t.Logf("%d messages past %d that are gone: %v each", messages, gone, time.Since(begun)/messages)
}

// alternateExchange: what h2 cannot route goes to the alternate exchange.
func alternateExchange(t *testing.T, url string) {
	d := open(t, url)
	d.exchanges(amqp.Table{"alternate-exchange": zone})
	rest := d.queue("alternate.rest")
	must(t, d.channel.QueueBind("alternate.rest", "", zone, false, nil), "bind")
	d.instance("alternate.nobody", nil)
	d.publish("unknown service", "core.unknown", nil)
	wantDelivery(t, rest, "unknown service")
	d.publish("nobody there", service, nil)
	wantDelivery(t, rest, "nobody there")
}
