package platform_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/telemetry"
	hansompb "github.com/hansom-platform/hansom/proto/hansom"
)

// serveHTTP runs api.web with h at the endpoint page.
func (w *world) serveHTTP(h http.HandlerFunc) *platform.Service {
	s := w.service("api.web")
	s.HandleHTTP("page", h, platform.Roles(platform.RoleService))
	w.run(s)
	return s
}

func field(r *hansompb.HttpResponse, name string) string {
	for _, f := range r.GetHeader() {
		if f.GetName() == name {
			return f.GetValue()
		}
	}
	return ""
}

func TestHTTPOverTheBus(t *testing.T) {
	w := newWorld(t)
	w.serveHTTP(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		rw.Header().Set("X-Saw", strings.Join([]string{
			r.Method, r.URL.Path, r.URL.Query().Get("q"), r.Host, r.RemoteAddr, r.Header.Get("X-In"),
			r.Header.Get("Te"), r.Header.Get("X-Once"), r.Header.Get("X-Request-Id"), string(body),
		}, "|"))
		rw.Header().Set("Connection", "close")
		rw.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(rw, "<html>short and stout")
	})
	got, err := w.operator().HTTP(t.Context(), "api.web", "page", &hansompb.HttpRequest{
		Method: "POST", Path: "/v1/web/page%2Fone", Query: "q=a%20b", Host: "example.com", RemoteAddr: "127.0.0.1:5",
		Header: []*hansompb.HttpField{
			{Name: "X-In", Value: "in"}, {Name: "TE", Value: "trailers"},
			{Name: "Connection", Value: "keep-alive, X-Once"}, {Name: "X-Once", Value: "hop"},
		},
		Body: []byte("body"), RequestId: "id1",
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := "POST|/v1/web/page/one|a b|example.com|127.0.0.1:5|in|||id1|body"; field(got, "X-Saw") != want {
		t.Errorf("the handler saw %s, want %s", field(got, "X-Saw"), want)
	}
	if got.GetStatus() != http.StatusTeapot || string(got.GetBody()) != "<html>short and stout" {
		t.Errorf("answer %d %q, want 418 and the body", got.GetStatus(), got.GetBody())
	}
	if v := field(got, "Content-Type"); v != "text/html; charset=utf-8" {
		t.Errorf("Content-Type %q, want it found from the body", v)
	}
	if v := field(got, "Connection"); v != "" {
		t.Errorf("Connection %q was passed on", v)
	}
}

func TestHTTPHandlerThatWritesNothingAnswers200(t *testing.T) {
	w := newWorld(t)
	w.serveHTTP(func(http.ResponseWriter, *http.Request) {})
	got, err := w.operator().HTTP(t.Context(), "api.web", "page", &hansompb.HttpRequest{Method: "GET", Path: "/"})
	if err != nil || got.GetStatus() != http.StatusOK {
		t.Errorf("answer %v, %v; want 200", got, err)
	}
}

func TestHTTPFailures(t *testing.T) {
	tests := []struct {
		name   string
		path   string
		h      http.HandlerFunc
		reason string
	}{
		{"too large", "/", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, bus.MaxBody+1)) }, "platform.http.too_large"},
		{"too large with its header", "/", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, bus.MaxBody)) }, "platform.http.too_large"},
		{"panic", "/", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "platform.panic"},
		{"bad path", "nosuch", func(http.ResponseWriter, *http.Request) {}, "platform.http.url"},
	}
	for _, tt := range tests {
		w := newWorld(t)
		w.serveHTTP(tt.h)
		_, err := w.operator().HTTP(t.Context(), "api.web", "page", &hansompb.HttpRequest{Method: "POST", Path: tt.path})
		if got := fault.ReasonOf(err); got != tt.reason {
			t.Errorf("%s: %v, want reason %s", tt.name, err, tt.reason)
		}
	}
}

func TestHTTPServerErrorsCountAsErrors(t *testing.T) {
	w := newWorld(t)
	s := w.serveHTTP(func(rw http.ResponseWriter, r *http.Request) {
		fault.WriteProblem(rw, fault.New(fault.Unavailable, "api.web.away", "away"), platform.TraceID(r.Context()))
	})
	c := w.operator()
	got, err := c.HTTP(t.Context(), "api.web", "page", &hansompb.HttpRequest{Method: "GET", Path: "/"})
	if err != nil || got.GetStatus() != http.StatusServiceUnavailable {
		t.Errorf("answer %v, %v; want 503", got.GetStatus(), err)
	}
	for _, e := range stats(t, c, s).GetEndpoints() {
		if e.GetEndpoint() == "page" && e.GetErrors() != 1 {
			t.Errorf("the endpoint counts %d errors, want 1", e.GetErrors())
		}
	}
}

func TestMadeUpNamesLeaveOnlyAHop(t *testing.T) {
	w := newWorld(t)
	s := w.serveHTTP(func(http.ResponseWriter, *http.Request) {})
	get := func(service, endpoint string) (*hansompb.HttpResponse, error) {
		return s.HTTP(t.Context(), service, endpoint, &hansompb.HttpRequest{Method: "GET", Path: "/"})
	}
	for i := range 20 {
		_, _ = get(fmt.Sprint("api.madeup", i), "page")
		_, _ = get("api.web", fmt.Sprint("madeup", i))
		_, _ = s.CallRaw(t.Context(), platform.Target{Service: "api.web", Endpoint: fmt.Sprint("raw", i)}, nil)
	}
	if _, err := get("api.web", "page"); err != nil {
		t.Fatal(err)
	}
	if got := circuits(t, w.operator(), s); !slices.Equal(got, []string{"api.web/page"}) {
		t.Errorf("breakers are kept for %v, want only api.web/page, which exists", got)
	}
	ctx, span := telemetry.StartRoot(t.Context(), "test")
	_, _ = s.CallRaw(ctx, platform.Target{Service: "api.madeup", Endpoint: "page"}, nil)
	if hops := s.Hops().Find(span.TraceID()); len(hops) != 1 || hops[0].GetService() != "api.madeup" {
		t.Errorf("hops of a call of api.madeup: %v, want one that names it", hops)
	}
}

// circuits names the targets that s has a breaker for.
func circuits(t *testing.T, c *platform.Client, s *platform.Service) []string {
	t.Helper()
	var names []string
	for _, c := range stats(t, c, s).GetCircuits() {
		names = append(names, c.GetService()+"/"+c.GetEndpoint())
	}
	return names
}

// TestOnlyHTTPEndpointsTakeHTTP: the messages of other endpoints would be read from
// the bytes of an HTTP request.
func TestOnlyHTTPEndpointsTakeHTTP(t *testing.T) {
	w := newWorld(t)
	s := w.service("api.web")
	s.Handle(endpoint("api.web", "echo"), text(echo))
	w.run(s)
	for _, name := range []string{"echo", platform.EndpointHealth} {
		_, err := w.operator().HTTP(t.Context(), "api.web", name, &hansompb.HttpRequest{Method: "GET", Path: "/"})
		if got := fault.ReasonOf(err); got != "platform.no_endpoint" {
			t.Errorf("HTTP to %s, which carries none: %v, want reason platform.no_endpoint", name, err)
		}
	}
}

func TestHTTPEndpointsAreNotCalledByName(t *testing.T) {
	w := newWorld(t)
	w.serveHTTP(func(http.ResponseWriter, *http.Request) { t.Error("a made-up request was handled") })
	for contentType, body := range map[string]string{bus.ContentJSON: `{"method": "GET", "path": "/", "remoteAddr": "192.0.2.1:1"}`, bus.ContentProtobuf: ""} {
		_, err := w.operator().CallRaw(t.Context(), platform.Target{Service: "api.web", Endpoint: "page", ContentType: contentType}, []byte(body))
		if fault.ReasonOf(err) != "platform.http_only" {
			t.Errorf("a call of an HTTP endpoint in %s: %v, want platform.http_only", contentType, err)
		}
	}
}
