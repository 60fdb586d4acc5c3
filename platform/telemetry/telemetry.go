// Package telemetry is what the platform library knows of traces, hops, metrics
// and logs. Package platform calls it for every request, app sets it up and
// mounts Handler; services meet it only through their logger.
//
// Every span has W3C trace and span ids, which travel in traceparent and
// tracestate also when nothing is exported: then a span is one small allocation
// and the OpenTelemetry SDK is not touched. When the standard OTEL_ variables ask
// for export (see Setup), the same calls make real OpenTelemetry spans.
//
// Hops keeps the latest calls of an instance in memory, so that `hansom why` can
// follow a request through the platform without any outside system.
//
// Metrics and health checks belong to the process; a process may run many
// services, which are told apart by labels. All functions may be called
// concurrently, and none of them but Setup and its shutdown ever blocks on I/O.
package telemetry

import (
	"context"
)

// Identity says which running instance a span, or a line of the log, belongs to.
// Empty fields are left out.
type Identity struct {
	Service     string // service.name
	Version     string // service.version
	Instance    string // service.instance.id
	Environment string // deployment.environment.name
	Region      string // cloud.region
	Zone        string // cloud.availability_zone
}

// WithIdentity returns a context whose spans and log lines belong to id. The
// platform library calls it once per instance.
func WithIdentity(ctx context.Context, id Identity) context.Context {
	n := &node{Context: ctx, identity: &id}
	if parent := nodeOf(ctx); parent != nil {
		n.ids, n.otel = parent.ids, parent.otel
	}
	return n
}

// IdentityOf returns the identity that ctx carries, or the zero Identity.
func IdentityOf(ctx context.Context) Identity {
	if n := nodeOf(ctx); n != nil && n.identity != nil {
		return *n.identity
	}
	return Identity{}
}

// TraceID returns the id of ctx's trace in 32 lower-case hexadecimal digits, or
// "" where ctx carries none.
func TraceID(ctx context.Context) string {
	n := nodeOf(ctx)
	if n == nil || !n.valid() {
		return ""
	}
	return n.trace.String()
}

// CurrentSpan returns the span that ctx carries, or the zero Span.
func CurrentSpan(ctx context.Context) Span {
	if n := nodeOf(ctx); n != nil && n.valid() {
		return Span{n}
	}
	return Span{}
}
