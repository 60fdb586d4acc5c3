package rabbitbus

import (
	"strconv"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// departure makes the way to a zone that is this broker too, or that no link takes.
func (e *engine) departure(c *conn, zone string, taken bool) {
	e.tb.Helper()
	var links []link
	if taken {
		links = []link{{directZoneExchange(zone), exchangeDirect}}
	}
	if err := c.connection.live.Load().declare(e.tb.Context(), zoneExchanges(zone), links); err != nil {
		e.tb.Fatal(err)
	}
}

// hearAll returns what comes to a new queue, bound to exchange unless that is "", and its name.
func (e *engine) hearAll(c *conn, exchange string) (<-chan amqp.Delivery, string) {
	e.tb.Helper()
	ch, err := c.connection.live.Load().channel(e.tb.Context())
	if err != nil {
		e.tb.Fatal(err)
	}
	deliveries, queue, err := hear(e.tb.Context(), ch, exchange, "searcher", nil)
	if err != nil {
		e.tb.Fatal(err)
	}
	return deliveries, queue
}

// testSearch: a zone where nobody is lets the next be asked; one that does not answer may have handled the request.
func testSearch(t *testing.T, e *engine) {
	c := e.connect(zoneA)
	s := c.connection.live.Load()
	e.departure(c, "search-nobody", false)
	e.departure(c, "search-all", true)
	handled := make(chan string, 8)
	serve(t, c, "search-slow", func(m *driver.Message, _ driver.Replier) { handled <- m.Header.Get(driver.HeaderBudget) })
	serve(t, c, "search-quick", echo)
	replies, queue := e.hearAll(c, exchangeDirect)
	ask := func(instance string, budget time.Duration, zones ...string) error {
		p := publishing(&driver.Message{Header: driver.Header{{Key: driver.HeaderBudget, Value: strconv.FormatInt(budget.Milliseconds(), 10)}}}, amqp.Table{})
		d := &amqp.Delivery{RoutingKey: instance, ReplyTo: queue, CorrelationId: instance, ContentEncoding: p.ContentEncoding, Headers: p.Headers, Body: p.Body}
		return c.search(t.Context(), s, d, zones)
	}
	if err := ask("search-slow", 300*time.Millisecond, "search-all", "search-all"); !fault.Is(err, fault.Timeout) {
		t.Errorf("a request that is not answered: got %v; want TIMEOUT", err)
	}
	if budget, err := strconv.Atoi(receiveOne(t, "the request", handled)); err != nil || budget > 300 || budget < 1 {
		t.Errorf("it was handled with a budget of %d ms, %v; want 1 to 300", budget, err)
	}
	for instance, refused := range map[string]bool{"search-quick": false, "search-none": true} {
		if err := ask(instance, 5*time.Second, "search-nobody", "search-all"); err != nil {
			t.Errorf("search for %s: %v", instance, err)
		}
		d := receiveOne(t, "the answer", replies)
		if _, is := d.Headers[headerNoRoute]; is != refused || d.CorrelationId != instance {
			t.Errorf("the answer for %s is for %s, refused: %v; want it refused: %v", instance, d.CorrelationId, is, refused)
		}
	}
	if n := len(handled); n > 0 {
		t.Errorf("the request was handled %d times more", n)
	}
}

// testSeek: a reply that no link takes comes back to the keeper, and goes nowhere then.
func testSeek(t *testing.T, e *engine) {
	c := e.connect(zoneA)
	s := c.connection.live.Load()
	zones := []string{"seek-b", "seek-c"}
	var heard [2]<-chan amqp.Delivery
	for i, z := range zones {
		e.departure(c, z, false)
		heard[i], _ = e.hearAll(c, directZoneExchange(z))
	}
	c.keeper.mirror.zones = zones
	reply := &amqp.Delivery{Exchange: directZoneExchange("a"), RoutingKey: prefixReply + "nobody", CorrelationId: "first"}
	if err := c.answer(t.Context(), s, reply); err != nil {
		t.Fatal(err)
	}
	back := receiveOne(t, "the reply in the first zone", heard[0])
	receiveOne(t, "the reply in the second zone", heard[1])
	if err := c.answer(t.Context(), s, &back); err != nil {
		t.Fatal(err)
	}
	for i, z := range zones {
		if err := s.reply(t.Context(), target{directZoneExchange(z), ""}, amqp.Publishing{CorrelationId: "last"}); err != nil {
			t.Fatal(err)
		}
		if d := receiveOne(t, "the last message", heard[i]); d.CorrelationId != "last" {
			t.Errorf("zone %s got the reply %q again", z, d.CorrelationId)
		}
	}
}
