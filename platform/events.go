package platform

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform/telemetry"
)

// PublishEvent publishes m, encoded as protobuf, to topic, with the trace, cohort
// and overlay of ctx. The session and the token do not go along: events may be
// kept. It returns nil once the bus has stored the event for every group.
func (c *Client) PublishEvent(ctx context.Context, topic string, m proto.Message) error {
	b := c.bus.Load()
	if b == nil {
		return fault.New(fault.Unavailable, "platform.not_connected", "%s published to %s before it was connected to a bus", c.name, topic)
	}
	body, err := encode(m, bus.ContentProtobuf)
	if err != nil {
		return fault.Wrap(err, fault.BadRequest, "platform.encode", "the event for %s cannot be encoded", topic)
	}
	ctx, span := telemetry.StartClient(ctx, "publish "+topic)
	x := newExchange()
	defer x.release()
	x.body = append(x.body[:0], body...)
	x.address(c, &target{}, scopeOf(ctx), span, 1)
	err = b.Publish(ctx, topic, &x.message)
	span.End(err)
	if err != nil {
		return fault.From(err)
	}
	return nil
}

// eventHandler gives h a context as of a request, and keeps its panics from
// ending the process.
func (s *Service) eventHandler(h bus.EventHandler) bus.EventHandler {
	return func(ctx context.Context, e *bus.Event) (err error) {
		in := readHeader(e.Message.Header)
		ctx, span := telemetry.StartServer(s.identify(ctx), "handle "+e.Topic, in.traceParent, in.traceState)
		carried := in.scope
		carried.Context = ctx
		defer func() {
			if p := recover(); p != nil {
				err = s.panicked(&carried, "event "+e.Topic, p)
			}
			span.End(err)
			if err != nil {
				s.log.WarnContext(&carried, "handling an event failed", "topic", e.Topic, "attempt", e.Attempt, "error", err)
			}
		}()
		return h(&carried, e)
	}
}
