package platformtest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/telemetry"
	hansompb "github.com/hansom-platform/hansom/proto/hansom"
)

// HTTP drives the endpoints of one API-tier service as the gateway does: a
// request for /v1/customer/neardrivers goes to the endpoint neardrivers of
// api.v1.customer. It is an http.Handler and, for an http.Client, an
// http.RoundTripper. Cohort and overlay come from the request's context.
type HTTP struct {
	client *platform.Client
	prefix string // "/v1/customer/"
	name   string
}

var (
	_ http.Handler      = (*HTTP)(nil)
	_ http.RoundTripper = (*HTTP)(nil)
)

// HTTP returns the way into the named API-tier service, such as "api.v1.customer".
func (e *Env) HTTP(service string) *HTTP {
	e.t.Helper()
	name, ok := strings.CutPrefix(service, "api.")
	if !ok {
		e.t.Fatalf("HTTP(%q): only services of the API tier, such as api.v1.customer, take HTTP", service)
	}
	return &HTTP{
		client: e.ClientAs("api.gateway"),
		prefix: "/" + strings.ReplaceAll(name, ".", "/") + "/",
		name:   service,
	}
}

// Get answers a GET request for target, such as "/v1/customer/neardrivers?city=LON".
func (h *HTTP) Get(ctx context.Context, target string) *httptest.ResponseRecorder {
	return h.record(httptest.NewRequestWithContext(ctx, http.MethodGet, target, nil))
}

// Post answers a POST request with a JSON body.
func (h *HTTP) Post(ctx context.Context, target, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return h.record(r)
}

func (h *HTTP) record(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// RoundTrip implements http.RoundTripper. Faults come as problem+json, as from the
// gateway, never as errors.
func (h *HTTP) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer func() { _ = r.Body.Close() }()
	}
	response := h.record(r).Result()
	response.Request = r
	return response, nil
}

// ServeHTTP implements http.Handler.
func (h *HTTP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, span := telemetry.StartServer(r.Context(), r.Method+" "+h.prefix, r.Header.Get("traceparent"), r.Header.Get("tracestate"))
	response, err := h.call(r.WithContext(ctx), span.TraceID())
	span.End(err)
	w.Header().Set(platform.HeaderRequestID, span.TraceID())
	if err != nil {
		fault.ProblemOf(err, span.TraceID()).Write(w)
		return
	}
	for _, f := range response.GetHeader() {
		w.Header().Add(f.GetName(), f.GetValue())
	}
	w.WriteHeader(int(response.GetStatus()))
	_, _ = w.Write(response.GetBody()) //nolint:gosec // G705: the browser that could be attacked is a test
}

func (h *HTTP) call(r *http.Request, id string) (*hansompb.HttpResponse, error) {
	path := r.URL.EscapedPath()
	rest, ok := strings.CutPrefix(path, h.prefix)
	endpoint, _, _ := strings.Cut(rest, "/")
	if !ok || endpoint == "" {
		return nil, fault.New(fault.NotFound, "platformtest.no_path", "%s serves paths below %s, not %s", h.name, h.prefix, path)
	}
	var body bytes.Buffer
	if r.Body != nil {
		if _, err := io.Copy(&body, r.Body); err != nil {
			return nil, fault.Wrap(err, fault.BadRequest, "platformtest.body", "the body cannot be read")
		}
	}
	m := &hansompb.HttpRequest{
		Method: r.Method, Path: path, Query: r.URL.RawQuery, Host: r.Host, RemoteAddr: r.RemoteAddr,
		Body: body.Bytes(), RequestId: id,
	}
	for name, values := range r.Header {
		for _, v := range values {
			m.Header = append(m.Header, &hansompb.HttpField{Name: name, Value: v})
		}
	}
	return h.client.HTTP(r.Context(), h.name, endpoint, m)
}
