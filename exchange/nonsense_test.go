package exchange

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	nonsenseBindings = 400
	nonsenseMessages = 3_000
)

// nonsense binds with arguments and publishes with headers of any type. Whatever they are, the connection stays, each
// message is delivered once or returned once, and good messages go through afterwards.
func nonsense(t *testing.T, url string) {
	d := open(t, url)
	d.exchanges(nil)
	queues := []string{"nonsense.1", "nonsense.2", zone}
	all := make(chan amqp.Delivery, 2*nonsenseMessages)
	for _, q := range queues {
		deliveries := d.queue(q)
		go func() {
			for m := range deliveries {
				all <- m
			}
		}()
	}
	must(t, d.channel.QueueBind(zone, "", zone, false, nil), "bind")
	g := generator{rand.New(rand.NewPCG(4, 2026))}

	accepted := 0
	for i := range nonsenseBindings {
		if d.bindNonsense(g, queues[i%2], i) {
			accepted++
		}
	}
	if accepted < nonsenseBindings/20 || accepted > nonsenseBindings*19/20 {
		t.Errorf("want some bindings accepted and some refused, got %d of %d accepted", accepted, nonsenseBindings)
	}
	for i := range nonsenseMessages {
		d.publish(strconv.Itoa(i), service, g.table(headerNames))
	}
	d.wantEachOnce(all)
	d.wantOpen()

	good := d.queue("nonsense.good")
	must(t, d.channel.QueueBind("nonsense.good", "core.good", h2, false, nil), "bind")
	d.publish("good", "core.good", nil)
	wantDelivery(t, good, "good")
}

// bindNonsense reports whether the broker took the binding. A refusal must be the plugin's.
func (d *desk) bindNonsense(g generator, queue string, i int) bool {
	d.t.Helper()
	ch := d.fresh()
	defer ch.Close()
	arguments := g.table(argumentNames)
	var err error
	switch i % 3 {
	case 0:
		err = ch.QueueBind(queue, service, h2, false, arguments)
	case 1:
		err = ch.ExchangeBind(direct, service, h2, false, arguments)
	default:
		err = ch.ExchangeBind(zone, service, h2, false, arguments)
	}
	var refused *amqp.Error
	if errors.As(err, &refused) && refused.Code == amqp.PreconditionFailed && strings.Contains(refused.Reason, "a binding to an x-h2 exchange: ") {
		return false
	}
	if err != nil {
		d.t.Fatalf("bind with %s: want it taken or refused by the plugin, got %v", short(arguments), err)
	}
	return true
}

// wantEachOnce waits until as many messages came or came back as were sent.
func (d *desk) wantEachOnce(deliveries <-chan amqp.Delivery) {
	d.t.Helper()
	times := map[string]int{}
	delivered := 0
	deadline := time.After(within)
	for n := range nonsenseMessages {
		select {
		case m := <-deliveries:
			times[m.MessageId]++
			delivered++
		case m := <-d.returned:
			times[m.MessageId]++
		case err := <-d.closed:
			d.t.Fatalf("the broker closed the connection after %d messages: %v", n, err)
		case <-deadline:
			d.t.Fatalf("%d of %d messages came or came back within %v", n, nonsenseMessages, within)
		}
	}
	if len(times) != nonsenseMessages {
		d.t.Errorf("want each of %d messages once, got %d different ones", nonsenseMessages, len(times))
	}
	if delivered == 0 {
		d.t.Error("want some messages delivered, all were returned")
	}
}

// short is a table for a test's output.
func short(t amqp.Table) string {
	s := fmt.Sprintf("%q", t)
	if len(s) > 400 {
		s = s[:400] + "…"
	}
	return s
}

var (
	argumentNames = []string{"weight", "version", "region", "zone", "salt", "left", "instance", "match.h2-overlay", "match.h2-zone"}
	headerNames   = []string{"h2-zone", "h2-cohort", "h2-overlay", "h2-service", "x-received-from", "x-death", "", "\xff\xfe", "other"}
)

// A generator makes AMQP tables of sense and nonsense.
type generator struct{ *rand.Rand }

// table has up to four of names, and now and then another one.
func (g generator) table(names []string) amqp.Table {
	t := amqp.Table{}
	for range g.IntN(5) {
		name := names[g.IntN(len(names))]
		if g.IntN(12) == 0 {
			name = g.text(120)
		}
		t[name] = g.value(name, 2)
	}
	return t
}

// value is what the name asks for in two of three cases, else anything.
func (g generator) value(name string, depth int) any {
	if g.IntN(3) > 0 {
		return g.sense(name)
	}
	kinds := 14
	if depth == 0 {
		kinds -= 2
	}
	switch g.IntN(kinds) {
	case 0:
		return nil
	case 1:
		return g.IntN(2) == 0
	case 2:
		return int8(g.Uint32())
	case 3:
		return int16(g.Uint32())
	case 4:
		return int32(g.Uint32())
	case 5:
		return int64(g.Uint64())
	case 6:
		return g.ExpFloat64()
	case 7:
		return float32(g.NormFloat64())
	case 8:
		return amqp.Decimal{Scale: uint8(g.Uint32()), Value: int32(g.Uint32())}
	case 9:
		return time.Unix(g.Int64N(1<<40), 0)
	case 10:
		return []byte(g.text(3_000))
	case 11:
		return g.text(20_000)
	case 12:
		return g.list(depth)
	default:
		return amqp.Table{g.text(20): g.value("", depth-1)}
	}
}

func (g generator) list(depth int) []any {
	list := make([]any, g.IntN(4))
	for i := range list {
		list[i] = g.value("", depth-1)
	}
	return list
}

func (g generator) sense(name string) any {
	of := func(s ...string) any { return s[g.IntN(len(s))] }
	switch name {
	case "weight":
		return g.Int64N(1 << 32)
	case "instance":
		return of("nonsense.1", "nonsense.2", zone, "nonsense.nobody")
	case "h2-zone", "match.h2-zone":
		return of("eu/a", "eu/b", "us/a", "eu", "/", "eu/a/b", "")
	case "h2-cohort":
		return of("0", "17", "9999", "10000", "-1", "+5", "00000000000000000000000000001", strings.Repeat("9", 5_000))
	case "region":
		return of("eu", "us", "")
	case "zone":
		return of("a", "b", "")
	default:
		return of("alice", "bob", "", "1", "2")
	}
}

// text is of random bytes, mostly no UTF-8.
func (g generator) text(most int) string {
	b := make([]byte, g.IntN(most))
	for i := range b {
		b[i] = byte(g.Uint32())
	}
	return string(b)
}
