package platform

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform/telemetry"
)

// exchange is one call's messages. It is reused: neither the bus nor its drivers
// keep what they are handed after a request has returned.
type exchange struct {
	message     bus.Message
	fields      [16]bus.Field
	body        []byte
	contentType string
	proof       string // the identity token
	token       string // the user's

	response proto.Message // filled in by the answer; nil: answer is set
	answer   []byte
}

var exchanges = sync.Pool{New: func() any { return new(exchange) }}

// maxKeptBody bounds the memory of idle exchanges.
const maxKeptBody = 64 << 10

func newExchange() *exchange { return exchanges.Get().(*exchange) }

func (x *exchange) release() {
	if cap(x.body) > maxKeptBody {
		x.body = nil
	}
	*x = exchange{body: x.body}
	exchanges.Put(x)
}

// exchange does one call: attempts until one succeeds, cannot be mended by
// another, or the budget is spent.
func (c *Client) exchange(ctx context.Context, t *target, l limits, x *exchange) error {
	c.retries.deposit()
	start := time.Now()
	deadline := l.deadline(ctx, start)
	mended := false
	for attempt := 1; ; attempt++ {
		err := c.attempt(ctx, t, l, x, try{attempt, start, deadline})
		if err == nil {
			return nil
		}
		if !mended && c.mend(ctx, t, x, err, deadline) {
			mended, attempt, start = true, attempt-1, time.Now()
			t = c.targets.get(t.service, t.endpoint)
			continue
		}
		if !c.again(ctx, l, attempt, err, deadline) {
			return err
		}
		t.metrics.Retry()
		start = time.Now()
	}
}

// try is one attempt of a call.
type try struct {
	number   int
	start    time.Time
	deadline time.Time // of the call
}

func (c *Client) attempt(ctx context.Context, t *target, l limits, x *exchange, a try) *fault.Error {
	b := c.bus.Load()
	if b == nil {
		return fault.New(fault.Unavailable, "platform.not_connected", "%s called %s before it was connected to a bus", c.name, t.name)
	}
	s := scopeOf(ctx)
	waited, err := c.authenticate(ctx, t, x, a)
	if err != nil {
		_, span := telemetry.StartClient(ctx, t.name)
		c.observe(t, s, span, a, hopOutcome{err: err, took: time.Since(a.start)})
		return err
	}
	if waited {
		a.start = time.Now()
	}
	guarded := s.direct == ""
	if guarded && !t.breaker.TryAcquirePermit() {
		return fault.New(fault.CircuitOpen, "platform.circuit_open", "nearly all calls of %s failed lately: calls are stopped for up to %s", t.name, circuitPause)
	}
	ctx, cancel := l.attemptContext(ctx, a.number, a.start, a.deadline)
	defer cancel()
	ctx, span := telemetry.StartClient(ctx, t.name)
	x.address(c, t, s, span, a.number)

	t.metrics.Inflight(1)
	by, err := x.send(ctx, b, s.direct)
	t.metrics.Inflight(-1)
	took := time.Since(a.start)
	if err != nil {
		err = explain(err, t, took)
	}
	if t.stray && ctx.Err() != context.Canceled && showsEndpoint(err) {
		t = c.targets.get(t.service, t.endpoint)
	}
	if guarded {
		t.breaker.record(err, took, l)
	}
	if s.served != nil {
		*s.served = by
	}
	c.observe(t, s, span, a, hopOutcome{by, err, took})
	return err
}

// address writes the message's header.
func (x *exchange) address(c *Client, t *target, s *scope, span telemetry.Span, attempt int) {
	h := append(x.fields[:0],
		bus.Field{Key: bus.HeaderFrom, Value: c.from},
		bus.Field{Key: bus.HeaderTraceParent, Value: span.TraceParent()},
	)
	add := func(key, value string) {
		if value != "" {
			h = append(h, bus.Field{Key: key, Value: value})
		}
	}
	if s.direct == "" { // a direct request names no service: that tells the receiver
		add(bus.HeaderService, t.service)
	}
	add(bus.HeaderEndpoint, t.endpoint)
	add(bus.HeaderTraceState, span.TraceState())
	add(bus.HeaderOverlay, orDefault(s.overlay, c.overlay))
	add(bus.HeaderIdentity, x.proof)
	if x.token != "" {
		add(bus.HeaderToken, x.token)
		add(bus.HeaderSession, s.session)
	}
	add(bus.HeaderContentType, x.contentType)
	if s.cohort != bus.NoCohort {
		add(bus.HeaderCohort, strconv.Itoa(s.cohort))
	}
	if attempt > 1 {
		add(bus.HeaderAttempt, strconv.Itoa(attempt))
	}
	x.message.Header, x.message.Body = h, x.body
}

// send makes the request and reads the answer.
func (x *exchange) send(ctx context.Context, b *bus.Bus, direct string) (ServedBy, *fault.Error) {
	var reply *bus.Message
	var err error
	if direct != "" {
		reply, err = b.RequestTo(ctx, direct, &x.message)
	} else {
		reply, err = b.Request(ctx, &x.message)
	}
	if err != nil {
		return ServedBy{}, fault.From(err)
	}
	by := parseServedBy(reply.Header.Get(bus.HeaderServedBy))
	if reply.Header.Get(bus.HeaderType) == bus.TypeError {
		return by, decodeFault(reply)
	}
	if x.response == nil {
		x.answer = reply.Body
		return by, nil
	}
	if err := decode(reply, x.response); err != nil {
		return by, fault.Wrap(err, fault.BadResponse, "platform.bad_response", "the answer of %s cannot be read", by.Instance)
	}
	return by, nil
}

// explain says what a timeout that the bus found was about.
func explain(err *fault.Error, t *target, took time.Duration) *fault.Error {
	if err.Reason != reasonNoReply || err.Origin == fault.Peer {
		return err
	}
	return fault.Wrap(err, fault.Timeout, "platform.timeout", "%s did not answer within %s", t.name, took.Round(time.Millisecond))
}

func parseServedBy(v string) ServedBy {
	instance, rest, _ := strings.Cut(v, " ")
	version, zone, _ := strings.Cut(rest, " ")
	return ServedBy{instance, version, zone}
}

type hopOutcome struct {
	by   ServedBy
	err  *fault.Error
	took time.Duration
}

// observe records an attempt in metrics, trace and hops.
func (c *Client) observe(t *target, s *scope, span telemetry.Span, a try, o hopOutcome) {
	hop := telemetry.HopRecord{
		Span: span, Service: t.service, Endpoint: t.endpoint,
		Instance: orDefault(o.by.Instance, s.direct), Version: o.by.Version, Zone: o.by.Zone,
		From: c.name, Overlay: s.overlay, Cohort: s.cohort,
		Attempt: a.number, Start: a.start, Duration: o.took, Stray: t.stray,
	}
	if o.err != nil {
		hop.Code, hop.Reason = o.err.Code.String(), o.err.Reason
		span.End(o.err)
	} else {
		span.End(nil)
	}
	t.metrics.Observe(hop.Code, o.took)
	c.hops.Record(hop)
}
