package gateway

import (
	"net/http"
	"net/url"
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
		"/v1/customer/see/..%2flogin":      {},
		"/v1/customer/see/a%5C%2E.%5Cb":    {},
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

// TestIncomingHeaders: what a service is shown of a header, and what not.
func TestIncomingHeaders(t *testing.T) {
	g := newWorld(t).city()
	for name, kept := range map[string]bool{
		"Accept": true, "Accept-Language": true, "Cookie": true, "User-Agent": true, "X-Customer-Id": true, "X-Forwarded-For": true, "If-None-Match": true,

		"Connection": false, "Keep-Alive": false, "Te": false, "Trailer": false, "Upgrade": false, "Proxy-Connection": false,
		"Proxy-Authorization": false, "Proxy-Authenticate": false, "Expect": false,

		"Authorization": false, "X-Session-Id": false,

		"H2-From": false, "h2-token": false, "H2-IDENTITY": false, "h2-session": false, "h2-cohort": false, "h2-overlay": false, "h2-budget": false, "h2-anything": false,
		"X-Hansom-Anything": false, "X-Hansom-Overlay": false, "X-Hansom-Served-By": false,
		"Traceparent": false, "Tracestate": false, "Baggage": false,
	} {
		value := "x"
		if name == "Authorization" {
			value = customer
		}
		got := see(t, g, request(http.MethodGet, "/v1/customer/see", "", name, value)).Header
		if _, shown := got[http.CanonicalHeaderKey(name)]; shown != kept {
			t.Errorf("%s: shown to the service %t, want %t", name, shown, kept)
		}
	}
	got := see(t, g, request(http.MethodGet, "/v1/customer/see", "", "Connection", "close, X-Hop", "X-Hop", "x", "Accept", "a", "Accept", "b")).Header
	if got.Get("X-Hop") != "" || len(got["Accept"]) != 2 {
		t.Errorf("the service saw %v, want Accept twice and no X-Hop, which Connection names", got)
	}
}

func TestTheSessionIsCutFromTheQuery(t *testing.T) {
	for query, want := range map[string]string{
		"":                                 "",
		"a=1&b=%32":                        "a=1&b=%32",
		"session_id=x":                     "",
		"a=1&session_id=x&b=2":             "a=1&b=2",
		"session%5Fid=x&%73ession_id=y&c=": "c=",
		"session_id":                       "",
		"my_session_id=x&session_ids=y":    "my_session_id=x&session_ids=y",
		"a=session_id=x":                   "a=session_id=x",
	} {
		if got := withoutSession(query); got != want {
			t.Errorf("withoutSession(%q) = %q, want %q", query, got, want)
		}
	}
}

func FuzzWithoutSession(f *testing.F) {
	f.Add("a=1&session_id=x")
	f.Add("%73ession_id=x;session_id=y&&=%zz")
	f.Fuzz(func(t *testing.T, query string) {
		rest := withoutSession(query)
		if values, err := url.ParseQuery(rest); values.Has(parameterSession) {
			t.Errorf("withoutSession(%q) = %q still has the session (%v)", query, rest, err)
		}
		if session, err := sessionParameter(rest); session != "" || err != nil {
			t.Errorf("withoutSession(%q) = %q, whose session is %q, %v: want none", query, rest, session, err)
		}
	})
}
