package gateway

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/hansom-platform/hansom/proto/rpc"
)

func TestParsePath(t *testing.T) {
	for path, want := range map[string]destination{
		"/v1/customer/neardrivers":         {"api.v1.customer", "neardrivers", "/v1/customer/neardrivers"},
		"/v1/customer/neardrivers/":        {"api.v1.customer", "neardrivers", "/v1/customer/neardrivers"},
		"/v12/d3/e4/../x":                  {},
		"/v12/d3/e4/a/b.c/..d":             {"api.v12.d3", "e4", "/v12/d3/e4"},
		"/v1/customer/see/%2e%2E/hops":     {},
		"/v1/customer/see/.":               {},
		"/v1/customer/see/a%2Fb":           {"api.v1.customer", "see", "/v1/customer/see"},
		"/v999/a/b":                        {"api.v999.a", "b", "/v999/a/b"},
		"/v1000/a/b":                       {},
		"/v0/a/b":                          {},
		"/v01/a/b":                         {},
		"/V1/a/b":                          {},
		"/v/a/b":                           {},
		"/v1/Customer/x":                   {},
		"/v1/%63ustomer/x":                 {},
		"/v1/a.b/x":                        {},
		"/v1//x":                           {},
		"/v1/a/":                           {},
		"/v1/a":                            {},
		"//v1/a/b":                         {},
		"v1/a/b":                           {},
		"*":                                {},
		"":                                 {},
		"/":                                {},
		"/v1/customer/health":              {},
		"/v1/customer/schema/x":            {},
		"/v1/a/" + strings.Repeat("b", 64): {"api.v1.a", strings.Repeat("b", 64), "/v1/a/" + strings.Repeat("b", 64)},
		"/v1/a/" + strings.Repeat("b", 65): {},
	} {
		got, ok := parsePath(path)
		if got != want || ok != (want != destination{}) {
			t.Errorf("parsePath(%q) = %+v, %t; want %+v", path, got, ok, want)
		}
	}
}

var service = regexp.MustCompile(`^api\.v[1-9][0-9]{0,2}\.[a-z0-9]{1,64}$`)

func FuzzParsePath(f *testing.F) {
	f.Add("/v1/customer/neardrivers/a/b")
	f.Add("/v1/a/b/%2e%2e/c")
	f.Add("//v1/../..")
	f.Fuzz(func(t *testing.T, path string) {
		to, ok := parsePath(path)
		if !ok {
			return
		}
		if !service.MatchString(to.service) || !isName(to.endpoint) || rpc.IsBuiltin(to.endpoint) {
			t.Errorf("parsePath(%q) = %+v: a bad name", path, to)
		}
		if rest, found := strings.CutPrefix(path, to.template); !found || rest != "" && rest[0] != '/' {
			t.Errorf("parsePath(%q) = %+v: want a template that the path begins with", path, to)
		}
	})
}

func FuzzReadJSON(f *testing.F) {
	f.Add([]byte(sayHello))
	f.Add([]byte(`{"service":"a","endpoint":"b","request":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		to, _, err := readJSON(body)
		if err == nil && (to.Service == "" || to.Endpoint == "") {
			t.Errorf("readJSON(%q) = %+v without an error", body, to)
		}
	})
}

func FuzzReadProtobuf(f *testing.F) {
	f.Add([]byte("\x0a\x01a\x12\x01b"))
	f.Fuzz(func(t *testing.T, body []byte) {
		to, _, err := readProtobuf(body)
		if err == nil && (to.Service == "" || to.Endpoint == "") {
			t.Errorf("readProtobuf(%q) = %+v without an error", body, to)
		}
	})
}

func TestNotLocal(t *testing.T) {
	for _, c := range []struct {
		peer, host, header string
		local              bool
	}{
		{"127.0.0.1:1", "localhost:8080", "", true},
		{"127.9.9.9:1", "LOCALHOST", "", true},
		{"[::1]:1", "[::1]:8080", "", true},
		{"[::1]:1", "[::1]", "", true},
		{"[::ffff:127.0.0.1]:1", "127.0.0.1", "", true},
		{"192.168.1.2:1", "localhost", "", false},
		{"@", "localhost", "", false},
		{"127.0.0.1:1", "127.0.0.1.evil.example", "", false},
		{"127.0.0.1:1", "localhost.evil.example", "", false},
		{"127.0.0.1:1", "192.168.1.2:8080", "", false},
		{"127.0.0.1:1", "", "", false},
		{"127.0.0.1:1", "localhost", "Forwarded", false},
		{"127.0.0.1:1", "localhost", "X-Forwarded-Proto", false},
		{"127.0.0.1:1", "localhost", "Via", false},
		{"127.0.0.1:1", "localhost", "X-Real-Ip", false},
	} {
		r := request(http.MethodPost, "/rpc", "")
		r.RemoteAddr, r.Host = c.peer, c.host
		if c.header != "" {
			r.Header.Set(c.header, "x")
		}
		if why := notLocal(r); (why == "") != c.local {
			t.Errorf("notLocal(peer %s, host %q, header %q) = %q, want local %t", c.peer, c.host, c.header, why, c.local)
		}
	}
}

func TestIncomingHeaders(t *testing.T) {
	g := newWorld(t).city()
	kept := []string{"Accept", "a", "Authorization", "b", "X-Customer-Id", "c", "Accept", "d"}
	not := []string{
		"Connection", "close, X-Hop", "X-Hop", "x", "Keep-Alive", "x", "Te", "x", "Trailer", "x", "Upgrade", "x", "Proxy-Connection", "x",
		"Proxy-Authorization", "x", "H2-From", "operator", "h2-token", "x", "Tracestate", "x", "Baggage", "x", "X-Hansom-Anything", "x", "Expect", "x",
	}
	got := see(t, g, request(http.MethodGet, "/v1/customer/see", "", append(kept, not...)...)).Header
	got.Del("X-Request-Id")
	if len(got) != 3 || len(got["Accept"]) != 2 || got.Get("Authorization") != "b" || got.Get("X-Customer-Id") != "c" {
		t.Errorf("the service saw the headers %v, want only Accept twice, Authorization and X-Customer-Id", got)
	}
}
