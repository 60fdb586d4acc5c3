package platform

import (
	"context"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform/auth"
	liveconfig "github.com/hansom-platform/hansom/platform/config"
	"github.com/hansom-platform/hansom/platform/telemetry"
)

// Caller is who sent a request. Service and Instance are proven, by an identity token
// for the service that was called, or empty.
type Caller struct {
	Service  string // "core.eta"
	Instance string
	Label    string // what the sender calls itself: "core.eta", "operator"; no proof
}

// Name returns the proven service, or else what the sender calls itself. It is for
// people to read.
func (c Caller) Name() string { return orDefault(c.Service, c.Label) }

func (c Caller) orNobody() string { return orDefault(c.Name(), "a caller without a name") }

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
	values               *liveconfig.Values // of the service that handles the request; nil: those of Context
	caller               Caller
	cohort               int
	overlay              string
	session              string         // public id
	token                string         // the user's, which goes along
	user                 *auth.User     // what token says, once verified
	identity             *auth.Identity // of the caller
	badUser, badIdentity *fault.Error   // why a token that came is not believed
	direct               string         // the next calls go to this instance
	served               *ServedBy      // filled in by the next calls
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

// WithToken has the calls made with the returned context carry a user's token, for
// whoever got one by itself: the gateway, operators, tests. "" is none.
func WithToken(ctx context.Context, token string) context.Context {
	return withScope(ctx, func(s *scope) {
		s.token, s.session, s.user = token, auth.SessionOf(token), nil
	})
}

// UserOf returns the user on whose behalf the request that is being handled was made,
// verified. There is none outside handlers.
func UserOf(ctx context.Context) (*auth.User, bool) {
	u := scopeOf(ctx).user
	return u, u != nil
}

// Author names on whose account the request is made, for records: the user's id, with
// that of an administrator who acts as the user, else the service's name, else what the
// sender calls itself.
func Author(ctx context.Context) string {
	s := scopeOf(ctx)
	switch {
	case s.user == nil:
		return s.caller.Name()
	case s.user.Actor != "":
		return s.user.Actor + " as " + s.user.ID
	default:
		return s.user.ID
	}
}

// CallerOf returns who sent the request that is being handled; it is empty
// outside handlers.
func CallerOf(ctx context.Context) Caller { return scopeOf(ctx).caller }

// TraceID returns the id of the request's trace, 32 lower-case hexadecimal digits,
// or "". At the edge it is also the X-Request-Id.
func TraceID(ctx context.Context) string { return telemetry.TraceID(ctx) }
