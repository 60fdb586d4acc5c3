package gateway

import (
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/auth"
	"github.com/hansom-platform/hansom/platform/telemetry"
)

// Endpoints of the gateway, as metrics and hops name them. Requests that were
// routed add one for each path that a service has.
const (
	endpointAll      = "*" // for what is counted before it is known where it goes
	endpointRPC      = "/rpc"
	endpointUnrouted = "unrouted"
)

// visit is one HTTP request on its way through the gateway.
type visit struct {
	w     http.ResponseWriter
	r     *http.Request // with the span's context
	span  telemetry.Span
	start time.Time
	id    string // of the request, which is its trace's

	endpoint  string     // bounded in number, whatever clients ask for
	presented bool       // it came with a session or token
	user      *auth.User // that this is of; nil without
	token     string

	cohort  int
	overlay string
	quiet   bool // leaves no hop and no line in the log

	answered bool
	status   int
	fault    *fault.Error // why it failed, nil where it did not
}

// serve answers every request.
func (g *Gateway) serve(w http.ResponseWriter, r *http.Request) {
	v := arrive(w, r)
	defer g.leave(v)
	defer g.recover(v)
	if err := g.dispatch(v); err != nil {
		v.fail(err)
	}
}

func arrive(w http.ResponseWriter, r *http.Request) *visit {
	v := &visit{w: w, start: time.Now(), endpoint: endpointUnrouted, cohort: noCohort}
	ctx, span := telemetry.StartServer(r.Context(), spanName(r), "", "")
	v.r, v.span, v.id = r.WithContext(ctx), span, span.TraceID()
	v.protect()
	return v
}

// protect sets the headers that every answer has, over what a service may say.
func (v *visit) protect() {
	h := v.w.Header()
	h.Set(platform.HeaderRequestID, v.id)
	h.Set("X-Content-Type-Options", "nosniff")
}

func spanName(r *http.Request) string {
	if p, ok := parsePath(r.URL.EscapedPath()); ok {
		return knownMethod(r.Method) + " " + p.template
	}
	return knownMethod(r.Method)
}

// knownMethod bounds the number of methods in names.
func knownMethod(m string) string {
	if _, ok := methods[m]; ok {
		return m
	}
	return "_OTHER" // as OpenTelemetry's semantic conventions for HTTP have it
}

// answer writes a whole answer.
func (v *visit) answer(status int, body []byte) {
	v.answered, v.status = true, status
	h := v.w.Header()
	if mayHaveBody(status) && (v.r.Method != http.MethodHead || len(body) > 0) {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	v.w.WriteHeader(status)
	if mayHaveBody(status) && v.r.Method != http.MethodHead {
		_, _ = v.w.Write(body) // the connection is gone: nobody is left to tell
	}
}

func mayHaveBody(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified
}

// fail answers with a problem.
func (v *visit) fail(err error) {
	if v.fault = fault.From(err); v.r.Context().Err() != nil {
		v.fault = fault.Wrap(err, v.fault.Code, "gateway.client_gone", "the client did not wait for the answer")
	}
	if v.answered {
		return
	}
	p := problemOf(err, v.id)
	v.answered, v.status = true, p.Status
	v.challenge(p.Status)
	if p.Status == http.StatusServiceUnavailable || p.Status == http.StatusTooManyRequests {
		v.w.Header().Set("Retry-After", "1")
	}
	p.Write(v.w)
}

func (g *Gateway) recover(v *visit) {
	p := recover()
	if p == nil {
		return
	}
	g.log.ErrorContext(v.r.Context(), "the gateway panicked", "method", v.r.Method, "path", v.r.URL.Path, "panic", p, "stack", string(debug.Stack()))
	v.fail(fault.New(fault.Internal, "gateway.panic", "something went wrong on our side"))
}

// leave records the visit in metrics, trace, hops and log.
func (g *Gateway) leave(v *visit) {
	took := time.Since(v.start)
	failure := v.fault
	if failure == nil {
		failure = faultOfStatus(v.status)
	}
	code, reason := "", ""
	if failure != nil {
		code, reason = failure.Code.String(), failure.Reason
		v.span.End(failure)
	} else {
		v.span.End(nil)
	}
	v.metrics().Observe(code, took)
	if v.quiet {
		return
	}
	g.svc.Hops().Record(telemetry.HopRecord{
		Span: v.span, Server: true, Service: Name, Endpoint: knownMethod(v.r.Method) + " " + v.endpoint,
		Instance: g.svc.ID(), Version: g.svc.Version(), Zone: g.svc.Zone().Zone,
		Overlay: v.overlay, Cohort: v.cohort, Attempt: 1,
		Start: v.start, Duration: took, Code: code, Reason: reason,
	})
	if failure != nil {
		g.logFailure(v, failure, took)
	}
}

func (v *visit) metrics() *telemetry.Metrics {
	return telemetry.EndpointMetrics(telemetry.SideServer, Name, v.endpoint)
}

// logFailure leaves out the query, which may tell who a customer is and where.
func (g *Gateway) logFailure(v *visit, f *fault.Error, took time.Duration) {
	level := slog.LevelInfo
	if v.status >= http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	if v.r.Context().Err() != nil || f.Reason == reasonShed {
		level = slog.LevelDebug // the client has gone: nothing of ours is wrong; or a flood, which metrics count
	}
	if !g.log.Enabled(v.r.Context(), level) {
		return
	}
	g.log.LogAttrs(v.r.Context(), level, "request failed",
		slog.String("method", v.r.Method), slog.String("path", v.r.URL.Path), slog.Int("status", v.status),
		slog.String("code", f.Code.String()), slog.String("reason", f.Reason), slog.String("message", f.Message),
		slog.String("detail", f.Detail), slog.Duration("took", took), slog.String("peer", v.r.RemoteAddr))
}
