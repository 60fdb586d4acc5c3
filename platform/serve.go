package platform

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform/telemetry"
)

// reasonShed is the reason of requests refused for want of room, which the caller
// may try on another instance.
const reasonShed = "platform.shed"

// incoming is the header of a request, read once.
type incoming struct {
	endpoint    string
	contentType string
	traceParent string
	traceState  string
	attempt     int
	routed      bool // by the bindings; a request sent to this instance by name names no service
	from        string
	proof       string // the identity token
	scope
}

func readHeader(h bus.Header) incoming {
	in := incoming{attempt: 1, scope: scope{cohort: bus.NoCohort}}
	for i := range h {
		v := h[i].Value
		switch h[i].Key {
		case bus.HeaderEndpoint:
			in.endpoint = v
		case bus.HeaderService:
			in.routed = v != ""
		case bus.HeaderContentType:
			in.contentType = v
		case bus.HeaderTraceParent:
			in.traceParent = v
		case bus.HeaderTraceState:
			in.traceState = v
		case bus.HeaderFrom:
			in.from = v
			in.caller.Label, _, _ = strings.Cut(v, " ")
		case bus.HeaderIdentity:
			in.proof = v
		case bus.HeaderCohort:
			in.cohort = bus.CohortOf(h)
		case bus.HeaderOverlay:
			in.overlay = v
		case bus.HeaderToken:
			in.token = v
		case bus.HeaderAttempt:
			if n, err := strconv.Atoi(v); err == nil && n > 1 {
				in.attempt = n
			}
		}
	}
	return in
}

// serve answers one request. It is the instance's bus.Handler.
func (s *Service) serve(ctx context.Context, m *bus.Message) *bus.Message {
	in := readHeader(m.Header)
	r := s.routes[in.endpoint]
	if r == nil || in.contentType == bus.ContentHTTP && !r.http {
		return s.errorReply(s.noEndpoint(in.endpoint), in.contentType)
	}
	if r.http && in.contentType != bus.ContentHTTP {
		return s.errorReply(notByRPC(r.name), in.contentType)
	}
	start := time.Now()
	busy := s.inflight.Add(1)
	defer s.inflight.Add(-1)
	r.stats.arrived(start, in.routed)
	if err := s.shed(ctx, r, busy, start); err != nil {
		r.stats.shed.Add(1)
		r.metrics.Shed()
		return s.errorReply(err, in.contentType)
	}
	ctx, span := telemetry.StartServer(ctx, r.name, in.traceParent, in.traceState)
	carried := in.scope
	carried.Context, carried.values = ctx, s.configuration.values
	s.prove(&carried, in.from, in.proof)
	r.begin()
	reply, err := s.answer(&carried, r, m, in.contentType)
	took := time.Since(start)
	r.end(took, err)
	s.observeServed(r, &carried, span, servedHop{in.attempt, start, took, err})
	return reply
}

// notByRPC keeps whoever calls by name from making up an HTTP request: the address that
// it came from, and headers that the gateway drops.
func notByRPC(name string) *fault.Error {
	return fault.New(fault.BadRequest, "platform.http_only", "%s takes HTTP requests only: send one to its path at the thin API", name)
}

// shed refuses what there is no room for, at once, so that the caller can go
// elsewhere: everything beyond the limit on concurrency, and from three quarters
// of it on what has less time left than the endpoint takes on average. Built-in
// endpoints always have room: they tell that the instance lives.
func (s *Service) shed(ctx context.Context, r *route, busy int64, now time.Time) *fault.Error {
	limit := s.settings.concurrency.Load()
	if busy <= limit-limit/4 || r.builtin {
		return nil
	}
	if busy > limit {
		return fault.New(fault.Unavailable, reasonShed, "%s is handling %d requests, as many as it may", s.instance, limit)
	}
	if deadline, ok := ctx.Deadline(); ok && deadline.Sub(now) < r.endpoint.Mean {
		return fault.New(fault.Unavailable, reasonShed, "%s is busy, and %s takes longer than the time left", s.instance, r.name)
	}
	return nil
}

// answer authorises, decodes, handles and encodes.
func (s *Service) answer(ctx *scope, r *route, m *bus.Message, contentType string) (*bus.Message, *fault.Error) {
	response, body, err := s.respond(ctx, r, m, contentType)
	if err != nil {
		f := fault.From(err)
		s.logFailure(ctx, r, f)
		return s.errorReply(forCaller(f), contentType), f
	}
	return &bus.Message{Header: s.replyHeader(contentType), Body: body}, httpFailure(response)
}

// respond is answer up to the reply. A panic anywhere in it becomes Internal, also
// one while a message is encoded that the handler still changes.
func (s *Service) respond(ctx *scope, r *route, m *bus.Message, contentType string) (response proto.Message, body []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			response, body, err = nil, nil, s.panicked(ctx, r.endpoint.Name, p)
		}
	}()
	if response, err = s.request(ctx, r, m); err != nil {
		return nil, nil, err
	}
	if body, err = encode(response, contentType); err != nil {
		return nil, nil, fault.Wrap(err, fault.Internal, "platform.encode", "the answer of %s cannot be encoded", r.name)
	}
	return response, body, nil
}

// request authorises and decodes a request and has it handled.
func (s *Service) request(ctx *scope, r *route, m *bus.Message) (proto.Message, error) {
	if err := s.config.authorise(ctx, r.endpoint, ctx.caller); err != nil {
		s.denials.log(ctx, s.log, err)
		return nil, err
	}
	response, err := s.invoke(ctx, r, m)
	return response, notTheCallers(err)
}

// invoke decodes a request that may be handled, and has it handled.
func (s *Service) invoke(ctx *scope, r *route, m *bus.Message) (proto.Message, error) {
	request := r.endpoint.NewRequest()
	if err := decode(m, request); err != nil {
		return nil, badRequest(err, r.name)
	}
	if s.handle == nil {
		return r.handler(ctx, request)
	}
	return s.handle(ctx, &Request{
		Endpoint: r.endpoint, Message: request, Side: Serving, Caller: ctx.caller, handler: r.handler,
	})
}

func badRequest(err error, name string) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return f
	}
	return fault.New(fault.BadRequest, "platform.decode", "the request to %s cannot be read: %s", name, err)
}

// logFailure logs what an operator must see. What the peers of this instance did
// wrong is theirs to log.
func (s *Service) logFailure(ctx *scope, r *route, f *fault.Error) {
	level := slog.LevelDebug
	if f.Code == fault.Internal && f.Origin == fault.Local && f.Reason != reasonPanic {
		level = slog.LevelError
	}
	if s.log.Enabled(ctx, level) {
		s.log.LogAttrs(ctx, level, "request failed",
			slog.String("endpoint", r.endpoint.Name), slog.String("from", ctx.caller.Name()), slog.String("error", f.Error()))
	}
}

// replyHeader returns the header of a reply, which is shared by all and not changed.
func (s *Service) replyHeader(contentType string) bus.Header {
	if contentType == bus.ContentJSON {
		return s.replies.json
	}
	return s.replies.protobuf
}

func (s *Service) errorReply(f *fault.Error, contentType string) *bus.Message {
	header := s.replies.fault
	if contentType == bus.ContentJSON {
		header = s.replies.jsonFault
	}
	return &bus.Message{Header: header, Body: encodeFault(f, contentType)}
}

// replyHeaders are the headers of an instance's replies.
type replyHeaders struct{ protobuf, json, fault, jsonFault bus.Header }

func newReplyHeaders(servedBy string) replyHeaders {
	by := bus.Field{Key: bus.HeaderServedBy, Value: servedBy}
	reply := bus.Field{Key: bus.HeaderType, Value: bus.TypeReply}
	failed := bus.Field{Key: bus.HeaderType, Value: bus.TypeError}
	json := bus.Field{Key: bus.HeaderContentType, Value: bus.ContentJSON}
	return replyHeaders{
		protobuf:  bus.Header{reply, by},
		json:      bus.Header{reply, by, json},
		fault:     bus.Header{failed, by},
		jsonFault: bus.Header{failed, by, json},
	}
}

type servedHop struct {
	attempt int
	start   time.Time
	took    time.Duration
	err     *fault.Error
}

// observeServed records a handled request in trace and hops.
func (s *Service) observeServed(r *route, from *scope, span telemetry.Span, h servedHop) {
	hop := telemetry.HopRecord{
		Span: span, Server: true, Service: s.name, Endpoint: r.endpoint.Name,
		Instance: s.instance, Version: s.config.version, Zone: s.config.zone.Zone,
		From: from.caller.Name(), Overlay: from.overlay, Cohort: from.cohort,
		Attempt: h.attempt, Start: h.start, Duration: h.took,
	}
	if h.err != nil {
		hop.Code, hop.Reason = h.err.Code.String(), h.err.Reason
		if isDenial(h.err) {
			hop.Detail = h.err.Detail
		}
		span.End(h.err)
	} else {
		span.End(nil)
	}
	s.hops.Record(hop)
}
