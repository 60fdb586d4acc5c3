package platform

import (
	"context"

	"github.com/hansom-platform/hansom/bus"
	liveconfig "github.com/hansom-platform/hansom/platform/config"
	"github.com/hansom-platform/hansom/platform/telemetry"
)

// Caller is who sent a request.
type Caller struct {
	Service  string // "core.eta", or "operator"
	Instance string
}

// ServedBy is who answered a call.
type ServedBy struct {
	Instance string
	Version  string
	Zone     string
}

// scope is a context with what a request carries down the call tree, beside its
// trace and budget, and what its next calls are told. One value is both, so that
// a request costs one allocation. It is immutable once it is handed out.
type scope struct {
	context.Context
	values  *liveconfig.Values // of the service that handles the request; nil: those of Context
	caller  Caller
	cohort  int
	overlay string
	session string
	token   string
	direct  string    // the next calls go to this instance
	served  *ServedBy // filled in by the next calls
}

type scopeKey struct{}

var noScope = scope{cohort: bus.NoCohort}

// Value implements context.Context.
func (s *scope) Value(key any) any {
	switch key.(type) {
	case scopeKey:
		return s
	case liveconfig.ContextKey:
		if s.values != nil {
			return s.values
		}
	}
	return s.Context.Value(key)
}

func scopeOf(ctx context.Context) *scope {
	if s, ok := ctx.Value(scopeKey{}).(*scope); ok {
		return s
	}
	return &noScope
}

func withScope(ctx context.Context, change func(*scope)) context.Context {
	s := *scopeOf(ctx)
	s.Context, s.values = ctx, nil // those of ctx hold
	change(&s)
	return &s
}

// To has the calls made with the returned context go directly to one instance,
// whatever the bindings. What that instance calls in turn is routed as usual.
func To(ctx context.Context, instance string) context.Context {
	return withScope(ctx, func(s *scope) { s.direct = instance })
}

// Addressee returns the instance that To named, or "".
func Addressee(ctx context.Context) string { return scopeOf(ctx).direct }

// CaptureServedBy has the calls made with the returned context tell who answered
// them, in *by. The last one stands; it must not be used by concurrent calls.
func CaptureServedBy(ctx context.Context, by *ServedBy) context.Context {
	return withScope(ctx, func(s *scope) { s.served = by })
}

// WithCohort sets the cohort, from 0 to bus.Cohorts-1, for the whole call tree
// below. A number out of that range means none.
func WithCohort(ctx context.Context, n int) context.Context {
	if n < 0 || n >= bus.Cohorts {
		n = bus.NoCohort
	}
	return withScope(ctx, func(s *scope) { s.cohort = n })
}

// CohortOf returns the cohort that the request carries, or bus.NoCohort.
func CohortOf(ctx context.Context) int { return scopeOf(ctx).cohort }

// WithOverlay sets the overlay's label for the whole call tree below.
func WithOverlay(ctx context.Context, label string) context.Context {
	return withScope(ctx, func(s *scope) { s.overlay = label })
}

// OverlayOf returns the overlay's label that the request carries, or "".
func OverlayOf(ctx context.Context) string { return scopeOf(ctx).overlay }

// CallerOf returns who sent the request that is being handled; it is empty
// outside handlers.
func CallerOf(ctx context.Context) Caller { return scopeOf(ctx).caller }

// TraceID returns the id of the request's trace, 32 lower-case hexadecimal digits,
// or "". At the edge it is also the X-Request-Id.
func TraceID(ctx context.Context) string { return telemetry.TraceID(ctx) }
