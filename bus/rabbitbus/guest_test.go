package rabbitbus

import (
	"context"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/internal/haproxy"
	"github.com/hansom-platform/hansom/internal/rabbitmq"
)

// TestGuests has everything of zone a behind HAProxy, which leads it to zone b while a's broker is away, the keeper too. From
// there the third zone is called as well.
func TestGuests(t *testing.T) {
	if testing.Short() {
		return
	}
	e := startEngine(t, topology{"three zones", []string{"a", "b", "c"}, 1})
	keeperB, _ := e.keeper(zoneB)
	keeperC, _ := e.keeper(zoneC)
	keeperA, _ := e.keeperBy(e.proxied("a", "b"))
	server, caller := e.connectBy(e.proxied("a", "b")), e.connectBy(e.proxied("a", "b"))
	serveName(t, server, "own-1")
	serveName(t, e.connect(zoneB), "far-1")
	serveName(t, e.connect(zoneC), "third-1")
	apply(t, keeperA, bindingOfInstance(zoneA, "own", "own-1"))
	apply(t, keeperB, bindingOfInstance(zoneB, "far", "far-1"))
	apply(t, keeperC, bindingOfInstance(zoneC, "third", "third-1"))
	reaches := func(service string) func() bool {
		return func() bool { _, err := called(caller, service, ""); return err == nil }
	}
	until(t, 30*time.Second, "a call crosses from a to b", reaches("far"))
	before := linksOf(t, e.config(zoneB))

	home := e.broker("a").Nodes()[0]
	if err := home.Kill(); err != nil {
		t.Fatal(err)
	}
	t.Logf("the other zone's service was called %v after the own broker had died", until(t, 30*time.Second, "a guest calls", reaches("far")))
	until(t, 30*time.Second, "the keeper is a guest", func() bool {
		s := keeperA.connection.live.Load()
		return s.ctx.Err() == nil && s.guest
	})
	until(t, 30*time.Second, "its bindings are applied", func() bool {
		return keeperA.Apply(t.Context(), zoneA, []driver.Binding{bindingOfInstance(zoneA, "own", "own-1")}) == nil
	})
	until(t, 30*time.Second, "a guest is called", reaches("own"))
	if _, err := Setup(t.Context(), keeperA.config); err == nil {
		t.Error("the other zone's broker was set up as the own one; want an error")
	}
	t.Logf("the third zone was called %v later", until(t, 30*time.Second, "a guest calls the third zone", reaches("third")))
	if after := linksOf(t, e.config(zoneB)); after != before {
		t.Errorf("guests changed what leads to and from their host:\n%s\nwas:\n%s", after, before)
	}

	if err := home.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, 30*time.Second, "all are at home", func() bool {
		for _, c := range []*conn{keeperA, server, caller} {
			if s := c.connection.live.Load(); s.ctx.Err() != nil || s.guest {
				return false
			}
		}
		return true
	})
	until(t, 30*time.Second, "a call crosses from a to b again", reaches("far"))
	until(t, 30*time.Second, "the own service is called at home", reaches("own"))
	until(t, 30*time.Second, "nothing of the guests is left", func() bool { return !isBound(keeperB, zoneA) })
}

// proxied is the configuration of a process of a zone whose HAProxy leads to the brokers of zone other while its own are away.
func (e *engine) proxied(zone, other string) Config {
	e.tb.Helper()
	p, err := haproxy.Start(e.tb.Context(), haproxy.Config{
		Dir: e.tb.TempDir(), Own: servers(e.broker(zone)), Others: servers(e.broker(other)),
	})
	if err != nil {
		e.tb.Fatal(err)
	}
	e.tb.Cleanup(func() { _ = p.Close(context.Background()) })
	c := e.config(driver.Zone{Region: zoneA.Region, Zone: zone})
	user := must(url.Parse(c.URL))(e.tb).User
	c.URL = (&url.URL{Scheme: "amqp", User: user, Host: p.Address()}).String()
	c.Management = (&url.URL{Scheme: "http", User: user, Host: p.Management()}).String()
	return c
}

func servers(b *rabbitmq.Broker) (all []haproxy.Server) {
	for _, n := range b.Nodes() {
		all = append(all, haproxy.Server{AMQP: n.Address(), Management: n.ManagementAddress()})
	}
	return all
}

// linksOf prints what joins a broker to other zones.
func linksOf(t *testing.T, config Config) string {
	t.Helper()
	report, err := Plan(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	api := must(newManagement(config))(t)
	arrivals := 0
	for _, exchange := range []string{zoneExchange("a"), directZoneExchange("a"), topicZoneExchange("a")} {
		bound, err := api.boundTo(t.Context(), exchange)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range bound {
			if b.Destination == exchangeRequests || b.Destination == exchangeDirect || b.Destination == exchangeTopic {
				arrivals++
			}
		}
	}
	return fmt.Sprintf("%s; %d links hand over here what leaves for zone a", report, arrivals)
}

// isBound tells whether the broker of c has bindings of instances of zone z, or cannot tell.
func isBound(c *conn, z driver.Zone) bool {
	records, err := c.listBound(context.Background())
	if err != nil {
		return true
	}
	for k := range records {
		if k.Zone == z && !k.Remote {
			return true
		}
	}
	return false
}
