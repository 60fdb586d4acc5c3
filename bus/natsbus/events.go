package natsbus

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// What an ephemeral subscription may hold for a slow handler before it loses events.
const (
	pendingEvents = 8192
	pendingBytes  = 16 << 20
)

// openStreams makes sure that both streams exist. Several callers may do so at
// once, each within its own time: it does no harm.
func (c *conn) openStreams(ctx context.Context) error {
	if c.streams.Load() {
		return nil
	}
	replicas := max(c.config.Replicas, 1)
	for _, config := range []jetstream.StreamConfig{{
		Name:        streamEvents,
		Description: "Hansom: events, until every group has them",
		Subjects:    []string{prefixTopic + ">", prefixAgain + ">"},
		Retention:   jetstream.InterestPolicy,
		MaxAge:      keptEvents,
		Replicas:    replicas,
	}, {
		Name:              streamDead,
		Description:       "Hansom: events that a group gave up",
		Subjects:          []string{prefixDead + ">"},
		MaxMsgsPerSubject: keptDead,
		AllowDirect:       true,
		Replicas:          replicas,
	}} {
		err := c.engine(ctx, "open the stream "+config.Name, func(ctx context.Context) error {
			return c.openStream(ctx, config)
		})
		if err != nil {
			return err
		}
	}
	c.streams.Store(true)
	return nil
}

func (c *conn) openStream(ctx context.Context, config jetstream.StreamConfig) error {
	stream, err := c.js.Stream(ctx, config.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		_, err = c.js.CreateOrUpdateStream(ctx, config)
		return err
	}
	if err != nil {
		return err
	}
	return c.addSubjects(ctx, stream.CachedInfo().Config, config.Subjects)
}

// addSubjects has a stream of an earlier version take what it does not take yet.
// All else stays as its operator has set it.
func (c *conn) addSubjects(ctx context.Context, config jetstream.StreamConfig, subjects []string) error {
	before := len(config.Subjects)
	for _, s := range subjects {
		if !slices.Contains(config.Subjects, s) {
			config.Subjects = append(config.Subjects, s)
		}
	}
	if len(config.Subjects) == before {
		return nil
	}
	_, err := c.js.UpdateStream(ctx, config)
	return err
}

// Publish implements driver.Bus. The stream captures every topic, and its
// acknowledgement means that all groups have the event.
func (c *conn) Publish(ctx context.Context, topic string, m *driver.Message) error {
	return c.store(ctx, topicSubject(topic), m)
}

// store publishes m to a subject that a stream captures and waits for the stream's word.
func (c *conn) store(ctx context.Context, subject string, m *driver.Message) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := c.openStreams(ctx); err != nil {
		return err
	}
	for {
		msg, err := c.exchange(ctx, subject, m)
		switch {
		case isDisconnected(err):
			if err := c.awaitConnection(ctx, err); err != nil {
				return err
			}
		case err != nil:
			return err
		case isNobody(msg):
			c.streams.Store(false)
			return fault.New(fault.Unavailable, driver.ReasonEngine,
				"no stream takes messages to %s: JetStream is not ready, or its data was deleted; try again, which makes the stream anew", subject)
		default:
			return stored(msg)
		}
	}
}

// stored reads a stream's acknowledgement.
func stored(msg *nats.Msg) error {
	var ack struct {
		Stream string `json:"stream"`
		Error  *struct {
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(msg.Data, &ack); err != nil {
		return fault.Wrap(err, fault.Unavailable, driver.ReasonEngine, "the stream's acknowledgement cannot be read")
	}
	if ack.Error != nil {
		return fault.New(fault.Unavailable, driver.ReasonEngine, "the bus could not store the event").WithDetail("%s", ack.Error.Description)
	}
	return nil
}

// Subscribe implements driver.Bus.
func (c *conn) Subscribe(ctx context.Context, s driver.Subscription, h driver.EventHandler) (driver.Consumer, error) {
	if s.Group != "" {
		return c.join(ctx, s, h)
	}
	return c.listen(ctx, s.Topic, h)
}

// listen opens an ephemeral subscription.
func (c *conn) listen(ctx context.Context, topic string, h driver.EventHandler) (driver.Consumer, error) {
	return c.subscribe(ctx, topicSubject(topic), "", func(life context.Context, msg *nats.Msg) {
		if e, ok := c.readEvent(msg.Subject, msg.Data); ok {
			_ = h(life, e) // ephemeral events are not redelivered
		}
	})
}

func (c *conn) readEvent(subject string, payload []byte) (*driver.Event, bool) {
	e := &driver.Event{Topic: topicOf(subject), Message: new(driver.Message), Attempt: 1}
	if err := driver.ParseMessage(payload, e.Message); err != nil {
		c.log.Warn("unreadable event dropped", "topic", e.Topic, "error", err)
		return nil, false
	}
	return e, true
}

// topicOf undoes topicSubject and againSubject.
func topicOf(subject string) string {
	if again, ok := strings.CutPrefix(subject, prefixAgain); ok {
		_, topic, _ := strings.Cut(again, ".")
		return topic
	}
	return strings.TrimPrefix(subject, prefixTopic)
}
