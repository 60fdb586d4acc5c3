package rabbitbus

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// An exchangeSpec is one durable exchange of the topology.
type exchangeSpec struct {
	name, kind string
	alternate  string // where it sends what it cannot route, or ""
}

func (e exchangeSpec) arguments() amqp.Table {
	if e.alternate == "" {
		return nil
	}
	return amqp.Table{"alternate-exchange": e.alternate}
}

// A link is a binding from one exchange to another with an empty key.
type link struct{ source, destination string }

// exchangesOf lists the exchanges that a broker of zone z has for itself, each after those it refers to.
func exchangesOf(z driver.Zone) []exchangeSpec {
	return append([]exchangeSpec{
		{name: exchangeUnroutable, kind: amqp.ExchangeFanout},
		{name: exchangeBindings, kind: amqp.ExchangeFanout},
		{name: exchangeTopic, kind: amqp.ExchangeTopic},
		{name: exchangeDirect, kind: amqp.ExchangeDirect, alternate: exchangeUnroutable},
		{name: exchangeRequests, kind: typeRequests, alternate: exchangeUnroutable},
	}, zoneExchanges(z.Zone)...)
}

// zoneExchanges lists the exchanges that every broker of the region has for zone z.
func zoneExchanges(z string) []exchangeSpec {
	return []exchangeSpec{
		{name: zoneExchange(z), kind: amqp.ExchangeFanout},
		{name: directZoneExchange(z), kind: amqp.ExchangeFanout},
		{name: topicZoneExchange(z), kind: amqp.ExchangeFanout},
	}
}

// arrivalsOf lists the links that hand over what arrives for zone z.
func arrivalsOf(z driver.Zone) []link {
	return []link{
		{zoneExchange(z.Zone), exchangeRequests},
		{directZoneExchange(z.Zone), exchangeDirect},
		{topicZoneExchange(z.Zone), exchangeTopic},
	}
}

// homeOf marks the broker of zone z.
func homeOf(z driver.Zone) exchangeSpec {
	return exchangeSpec{name: exchangeHome, kind: amqp.ExchangeFanout, alternate: zoneExchange(z.Zone)}
}

// declareTopology makes what is missing of the own zone's exchanges. A user who may not only
// checks that they are there.
func (s *session) declareTopology(ctx context.Context) error {
	z := s.conn.config.Zone
	err := s.declare(ctx, exchangesOf(z), nil)
	if isRefused(err) {
		for _, e := range exchangesOf(z) {
			if err := s.checkExchange(ctx, e); err != nil {
				return err
			}
		}
		return nil
	}
	if err != nil {
		return explain(err)
	}
	return s.comeHome(ctx)
}

// reclaim is what to do where the first who came to a new broker was of another zone.
const reclaim = "if the broker is this zone's, delete the exchange " + exchangeHome + " and run hansom bus setup"

// comeHome makes a broker that is nobody's the own zone's, or finds that it is, or is another's: HAProxy leads
// there while the own zone has none. What arrives for the own zone is none of that broker's business.
func (s *session) comeHome(ctx context.Context) error {
	err := s.declare(ctx, []exchangeSpec{homeOf(s.conn.config.Zone)}, arrivalsOf(s.conn.config.Zone))
	if s.guest = hasCode(err, amqp.PreconditionFailed); s.guest {
		s.conn.log.Warn("the bus is another zone's: the own zone's brokers are away, or this is not the zone's address; "+reclaim,
			"name", s.conn.config.Name, "zone", s.conn.config.Zone.String())
		return nil
	}
	return err
}

// declare makes exchanges and links on a channel of its own, which a refusal closes.
func (s *session) declare(ctx context.Context, exchanges []exchangeSpec, links []link) error {
	return s.do(ctx, "declare the exchanges of the bus", func(ch *amqp.Channel) error { return declare(ch, exchanges, links) })
}

func declare(ch *amqp.Channel, exchanges []exchangeSpec, links []link) error {
	for _, e := range exchanges {
		if err := ch.ExchangeDeclare(e.name, e.kind, true, false, false, false, e.arguments()); err != nil {
			return fmt.Errorf("declare exchange %s of type %s: %w", e.name, e.kind, err)
		}
	}
	for _, l := range links {
		if err := ch.ExchangeBind(l.destination, "", l.source, false, nil); err != nil {
			return fmt.Errorf("bind exchange %s to %s: %w", l.destination, l.source, err)
		}
	}
	return nil
}

// checkExchange uses a channel of its own: the broker closes it where the exchange is missing.
func (s *session) checkExchange(ctx context.Context, e exchangeSpec) error {
	err := s.do(ctx, "look at the exchange "+e.name, func(ch *amqp.Channel) error {
		return ch.ExchangeDeclarePassive(e.name, e.kind, true, false, false, false, nil)
	})
	if isRefused(err) { // who may not even look is told by the first use
		return nil
	}
	if !hasCode(err, amqp.NotFound) {
		return err
	}
	return fault.Wrap(err, fault.Unavailable, driver.ReasonEngine,
		"the broker has no exchange %s and this user may not declare it: run hansom bus setup with the URL of an administrator", e.name)
}

// explain adds what to do where the plugin is missing: the broker then does not know the type.
func explain(err error) error {
	var refusal *amqp.Error
	if errors.As(err, &refusal) && refusal.Code == amqp.CommandInvalid {
		return fault.Wrap(err, fault.Unavailable, driver.ReasonEngine,
			"the broker does not know exchanges of type %s: install the plugin rabbitmq_h2_exchange (make exchange) on every node and enable it: rabbitmq-plugins enable rabbitmq_h2_exchange", typeRequests)
	}
	return err
}
