package telemetry

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/hansom-platform/hansom/fault"
)

// node is a context and the span in it: one allocation holds both.
type node struct {
	context.Context
	ids
	identity *Identity
	otel     trace.Span // nil where nothing is exported
	kind     trace.SpanKind
	outside  bool // the other side is no service of ours
}

type nodeKey struct{}

// Value implements context.Context.
func (n *node) Value(key any) any {
	if _, ok := key.(nodeKey); ok {
		return n
	}
	return n.Context.Value(key)
}

func nodeOf(ctx context.Context) *node {
	n, _ := ctx.Value(nodeKey{}).(*node)
	return n
}

// Span is one piece of work in a trace. The zero Span belongs to no trace and
// ignores everything. Copies are the same span.
type Span struct{ n *node }

// StartServer starts the span of handling a request. It continues the trace of
// a valid traceparent and starts a new one otherwise. A name of the form
// "<service>/<endpoint>" is exported as a remote procedure call's.
func StartServer(ctx context.Context, name, traceparent, tracestate string) (context.Context, Span) {
	parent, ok := parseTraceParent(traceparent)
	if ok {
		parent.state = cleanTraceState(tracestate)
	}
	return start(ctx, name, trace.SpanKindServer, &parent, true)
}

// StartClient starts the span of calling someone, a child of ctx's span. Without
// one it starts a new trace.
func StartClient(ctx context.Context, name string) (context.Context, Span) {
	var parent ids
	if n := nodeOf(ctx); n != nil {
		parent = n.ids
	}
	return start(ctx, name, trace.SpanKindClient, &parent, false)
}

// StartOutside is StartClient for a call to an outside system, a database or the
// like: the span gets no attributes of remote procedure calls.
func StartOutside(ctx context.Context, name string) (context.Context, Span) {
	ctx, s := StartClient(ctx, name)
	s.n.outside = true
	return ctx, s
}

// StartRoot starts a new trace, whatever ctx carries: for work that nobody asked for.
func StartRoot(ctx context.Context, name string) (context.Context, Span) {
	return start(ctx, name, trace.SpanKindInternal, &ids{}, false)
}

func start(ctx context.Context, name string, kind trace.SpanKind, parent *ids, remote bool) (context.Context, Span) {
	n := &node{Context: ctx, kind: kind}
	if above := nodeOf(ctx); above != nil {
		n.identity = above.identity
	}
	if e := exporting.Load(); e != nil {
		e.start(n, name, parent, remote)
	} else {
		n.ids = child(parent)
	}
	return n, Span{n}
}

// child makes the ids of a new span. A trace that starts here is marked sampled:
// whoever exports further down decides for itself, and finds its roots.
func child(parent *ids) ids {
	c := *parent
	if c.valid() {
		c.parent = parent.span
	} else {
		binary.NativeEndian.PutUint64(c.trace[:8], rand.Uint64())
		binary.NativeEndian.PutUint64(c.trace[8:], nonZero())
		c.flags = trace.FlagsSampled | trace.FlagsRandom
	}
	binary.NativeEndian.PutUint64(c.span[:], nonZero())
	return c
}

func nonZero() uint64 {
	for {
		if n := rand.Uint64(); n != 0 {
			return n
		}
	}
}

// TraceID returns 32 lower-case hexadecimal digits, "" for the zero Span.
func (s Span) TraceID() string {
	if s.n == nil {
		return ""
	}
	return s.n.trace.String()
}

// SpanID returns 16 lower-case hexadecimal digits, "" for the zero Span.
func (s Span) SpanID() string {
	if s.n == nil {
		return ""
	}
	return s.n.span.String()
}

// ParentID returns the id of the span above, or "" where this one starts the trace.
func (s Span) ParentID() string {
	if s.n == nil || !s.n.parent.IsValid() {
		return ""
	}
	return s.n.parent.String()
}

// TraceParent returns the header to send to whom this span calls.
func (s Span) TraceParent() string {
	if s.n == nil {
		return ""
	}
	return s.n.traceParent()
}

// TraceState returns the header to send with TraceParent; send none where it is "".
func (s Span) TraceState() string {
	if s.n == nil {
		return ""
	}
	return s.n.state
}

// Recording reports whether attributes go anywhere.
func (s Span) Recording() bool { return s.n != nil && s.n.otel != nil && s.n.otel.IsRecording() }

// SetString sets an attribute of the exported span.
func (s Span) SetString(key, value string) {
	if s.Recording() && value != "" {
		s.n.otel.SetAttributes(attribute.String(key, value))
	}
}

// SetInt sets an attribute of the exported span.
func (s Span) SetInt(key string, value int64) {
	if s.Recording() {
		s.n.otel.SetAttributes(attribute.Int64(key, value))
	}
}

// End ends the span, once, with the outcome of the work. On the serving side, a
// fault of the caller's own making does not make the span an error
// (https://opentelemetry.io/docs/specs/semconv/rpc/rpc-spans/).
func (s Span) End(err error) {
	if s.n == nil || s.n.otel == nil {
		return
	}
	span := s.n.otel
	defer span.End()
	if !span.IsRecording() {
		return
	}
	if err == nil {
		if s.n.kind != trace.SpanKindInternal && !s.n.outside {
			span.SetAttributes(semconv.RPCResponseStatusCode("OK"))
		}
		return
	}
	f := fault.From(err)
	span.SetAttributes(semconv.ErrorTypeKey.String(errorType(f)))
	if !s.n.outside {
		span.SetAttributes(semconv.RPCResponseStatusCode(f.Code.String()))
	}
	if s.n.kind != trace.SpanKindServer || f.Code.HTTPStatus() >= 500 {
		span.SetStatus(codes.Error, f.Message)
	}
}

func errorType(f *fault.Error) string {
	if f.Reason != "" {
		return f.Reason
	}
	return f.Code.String()
}

// rpcAttributes reads a span's name as that of a remote procedure.
func rpcAttributes(name string) []attribute.KeyValue {
	if i := strings.IndexByte(name, '/'); i <= 0 || strings.IndexByte(name, ' ') >= 0 {
		return nil
	}
	return []attribute.KeyValue{semconv.RPCSystemNameKey.String("hansom"), semconv.RPCMethod(name)}
}
