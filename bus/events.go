package bus

import (
	"context"
	"strings"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// Subscriber is an open subscription.
type Subscriber struct{ consumer driver.Consumer }

// Publish hands m to every subscription of topic. It returns nil once the engine
// has stored it for all groups that exist. It sets m's HeaderType.
func (b *Bus) Publish(ctx context.Context, topic string, m *Message) error {
	if err := checkTopic(topic, false); err != nil {
		return err
	}
	if err := checkSize(m); err != nil {
		return err
	}
	m.Header.Set(HeaderType, TypeEvent)
	return b.driver.Publish(ctx, topic, m)
}

// Subscribe receives events until the subscriber is closed. See driver.Subscription
// for the difference that a group makes.
func (b *Bus) Subscribe(ctx context.Context, s Subscription, h EventHandler) (*Subscriber, error) {
	if err := checkTopic(s.Topic, true); err != nil {
		return nil, err
	}
	if len(s.Group) > driver.MaxName {
		return nil, fault.New(fault.BadRequest, "bus.bad_group", "group %.20q… has %d bytes, the bus takes %d at most", s.Group, len(s.Group), driver.MaxName)
	}
	c, err := b.driver.Subscribe(ctx, s, h)
	if err != nil {
		return nil, err
	}
	return &Subscriber{c}, nil
}

// Drain takes no new events and returns when those delivered are handled.
func (s *Subscriber) Drain(ctx context.Context) error { return s.consumer.Drain(ctx) }

// Close stops at once. It is idempotent.
func (s *Subscriber) Close() error { return s.consumer.Close() }

func checkTopic(topic string, wildcard bool) error {
	if len(topic) > driver.MaxName {
		return fault.New(fault.BadRequest, "bus.bad_topic", "topic %.20q… has %d bytes, the bus takes %d at most", topic, len(topic), driver.MaxName)
	}
	segments := strings.Split(topic, ".")
	for i, s := range segments {
		last := i == len(segments)-1
		if wildcard && last && i > 0 && (s == "*" || s == ">") {
			continue
		}
		if s == "" || strings.ContainsAny(s, "*> \t\r\n") {
			return fault.New(fault.BadRequest, "bus.bad_topic",
				"topic %q: want dotted words, such as discovery.up%s", topic,
				map[bool]string{true: ", with * or > allowed as the last one", false: ""}[wildcard])
		}
	}
	return nil
}

// Dropped counts the events that an ephemeral subscription lost because its
// handler was too slow.
func (s *Subscriber) Dropped() int { return s.consumer.Dropped() }
