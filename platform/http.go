package platform

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	hansompb "github.com/hansom-platform/hansom/proto/hansom"
	"github.com/hansom-platform/hansom/proto/rpc"
)

// HeaderRequestID is the HTTP header with the id of a request: its trace's.
const HeaderRequestID = "X-Request-Id"

// EndpointOption describes an endpoint that carries HTTP, as a contract describes
// others.
type EndpointOption func(*rpc.Endpoint)

// Roles are those of which the caller needs one. Without, it needs RoleAdmin.
func Roles(roles ...string) EndpointOption {
	return func(e *rpc.Endpoint) { e.Roles = roles }
}

// SLA declares the mean time to answer, and the time within which 95 of 100
// requests are answered.
func SLA(mean, upper95 time.Duration) EndpointOption {
	return func(e *rpc.Endpoint) { e.Mean, e.Upper95 = mean, upper95 }
}

// Idempotent says that a request may be repeated without harm.
func Idempotent() EndpointOption {
	return func(e *rpc.Endpoint) { e.Idempotent = true }
}

func httpEndpoint(service, name string, opts []EndpointOption) *rpc.Endpoint {
	e := &rpc.Endpoint{
		Service:     service,
		Name:        name,
		NewRequest:  func() proto.Message { return new(hansompb.HttpRequest) },
		NewResponse: func() proto.Message { return new(hansompb.HttpResponse) },
	}
	for _, o := range opts {
		o(e)
	}
	return e
}

// HTTP sends an HTTP request to an endpoint served with HandleHTTP and returns its
// answer, whatever its status. It is for the gateway. Requests with a safe method
// (RFC 9110 §9.2.1) are idempotent; opts say what else is known of the endpoint.
func (c *Client) HTTP(ctx context.Context, service, endpoint string, r *hansompb.HttpRequest, opts ...EndpointOption) (*hansompb.HttpResponse, error) {
	e := httpEndpoint(service, endpoint, opts)
	switch r.GetMethod() {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		e.Idempotent = true
	}
	response := new(hansompb.HttpResponse)
	if err := c.Call(ctx, e, r, response); err != nil {
		return nil, err
	}
	return response, nil
}

// serveHTTP returns the endpoint's handler around an ordinary one.
func serveHTTP(h http.Handler) rpc.Handler {
	return func(ctx context.Context, m proto.Message) (proto.Message, error) {
		r, err := httpRequest(ctx, m.(*hansompb.HttpRequest))
		if err != nil {
			return nil, err
		}
		w := &responseWriter{header: make(http.Header)}
		h.ServeHTTP(w, r)
		return w.response()
	}
}

func httpRequest(ctx context.Context, m *hansompb.HttpRequest) (*http.Request, error) {
	target := m.GetPath()
	if q := m.GetQuery(); q != "" {
		target += "?" + q
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, fault.New(fault.BadRequest, "platform.http.url", "the path %q cannot be read", m.GetPath())
	}
	r := &http.Request{
		Method: m.GetMethod(), URL: u, RequestURI: target, Host: m.GetHost(), RemoteAddr: m.GetRemoteAddr(),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        headerOf(m.GetHeader()),
		Body:          io.NopCloser(bytes.NewReader(m.GetBody())),
		ContentLength: int64(len(m.GetBody())),
	}
	r.Header.Set(HeaderRequestID, orDefault(m.GetRequestId(), TraceID(ctx)))
	return r.WithContext(ctx), nil
}

func headerOf(fields []*hansompb.HttpField) http.Header {
	h := make(http.Header, len(fields)+1)
	for _, f := range fields {
		h.Add(f.GetName(), f.GetValue())
	}
	removeHopByHop(h)
	return h
}

// hopByHop are headers that are about one connection (RFC 9110 §7.6.1).
var hopByHop = []string{
	"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

func removeHopByHop(h http.Header) {
	for _, v := range h["Connection"] {
		for name := range strings.SplitSeq(v, ",") {
			h.Del(textproto.TrimString(name))
		}
	}
	for _, name := range hopByHop {
		delete(h, name)
	}
}

// responseWriter keeps an answer in memory, as large as the bus takes.
type responseWriter struct {
	header  http.Header
	sent    http.Header // as it was when the status was written
	status  int
	body    []byte
	tooLong bool
}

// Header implements http.ResponseWriter.
func (w *responseWriter) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter. Informational answers are not
// passed on.
func (w *responseWriter) WriteHeader(status int) {
	if w.status != 0 || status < http.StatusOK {
		return
	}
	w.status, w.sent = status, w.header.Clone()
}

// Write implements http.ResponseWriter.
func (w *responseWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if len(w.body)+len(b) > bus.MaxBody {
		w.tooLong = true
		return 0, errTooLong
	}
	w.body = append(w.body, b...)
	return len(b), nil
}

var errTooLong = fault.New(fault.Internal, "platform.http.too_large", "the answer has more than the %d bytes that the bus takes", bus.MaxBody)

func (w *responseWriter) response() (*hansompb.HttpResponse, error) {
	w.WriteHeader(http.StatusOK)
	removeHopByHop(w.sent)
	if len(w.body) > 0 && w.sent.Get("Content-Type") == "" {
		w.sent.Set("Content-Type", http.DetectContentType(w.body))
	}
	m := &hansompb.HttpResponse{Status: uint32(w.status), Body: w.body, Header: fieldsOf(w.sent)}
	if w.tooLong || proto.Size(m) > bus.MaxBody {
		return nil, errTooLong
	}
	return m, nil
}

func fieldsOf(h http.Header) []*hansompb.HttpField {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	fields := make([]*hansompb.HttpField, 0, len(h))
	for _, name := range names {
		for _, v := range h[name] {
			fields = append(fields, &hansompb.HttpField{Name: validUTF8(name), Value: validUTF8(v)})
		}
	}
	return fields
}

// httpFailure returns what an answer with a status of 500 or more counts as, in
// metrics, statistics and hops. The answer itself goes out as it is.
func httpFailure(m proto.Message) *fault.Error {
	r, ok := m.(*hansompb.HttpResponse)
	if !ok || r.GetStatus() < http.StatusInternalServerError {
		return nil
	}
	return statusFaults[r.GetStatus()]
}

var statusFaults = func() map[uint32]*fault.Error {
	all := make(map[uint32]*fault.Error)
	for status := uint32(http.StatusInternalServerError); status < 600; status++ {
		all[status] = &fault.Error{Code: fault.Internal, Reason: "platform.http.status"}
	}
	for _, c := range []fault.Code{fault.Timeout, fault.Unavailable, fault.BadResponse} {
		all[uint32(c.HTTPStatus())] = &fault.Error{Code: c, Reason: "platform.http.status"}
	}
	return all
}()
