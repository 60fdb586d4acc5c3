package gateway

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/telemetry"
	hansompb "github.com/hansom-platform/hansom/proto/hansom"
)

func TestRequestReachesTheServiceOfItsPath(t *testing.T) {
	g := newWorld(t).city()
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions} {
		got := see(t, g, request(method, "/v1/customer/see/a%2Fb/c?lat=51.5&lat=2", "hello"))
		want := seen{Method: method, Path: "/v1/customer/see/a%2Fb/c", Query: "lat=51.5&lat=2", Host: "localhost:8080", Remote: "127.0.0.1:40000", Body: "hello"}
		got.RequestID, got.Trace, got.Instance, got.Cohort, got.Header = "", "", "", 0, nil
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: the service saw\n%+v, want\n%+v", method, got, want)
		}
	}
}

func TestHeadIsAnsweredWithoutABody(t *testing.T) {
	g := newWorld(t).city()
	response := do(g, request(http.MethodHead, "/v1/customer/see", ""))
	if body := response.body; response.status != http.StatusOK || body != "" || response.header.Get("Content-Length") == "" {
		t.Errorf("status %d, length %q, body %q: want 200, a length and no body", response.status, response.header.Get("Content-Length"), body)
	}
}

func TestStatusOfTheServiceComesBack(t *testing.T) {
	g := newWorld(t).city()
	for _, status := range []int{200, 201, 204, 302, 304, 400, 404, 418, 429, 500, 503} {
		response := do(g, request(http.MethodPost, fmt.Sprint("/v1/customer/status?is=", status), ""))
		if response.status != status {
			t.Errorf("status %d, want %d", response.status, status)
		}
	}
}

func TestWhatCannotBeForwarded(t *testing.T) {
	g := newWorld(t).city()
	for _, c := range []struct {
		method, target string
		status         int
		code           fault.Code
		reason, part   string
	}{
		{"GET", "/v1/nosuch/x", 404, fault.NoRoute, "bus.no_route.unknown_service", "api.v1.nosuch"},
		{"GET", "/v2/customer/see", 404, fault.NoRoute, "bus.no_route.unknown_service", "api.v2.customer"},
		{"GET", "/v1/customer/nosuch", 404, fault.NotFound, "gateway.no_endpoint", "no endpoint nosuch in /v1/customer"},
		{"GET", "/v1/customer/health", 404, fault.NotFound, "gateway.no_path", "nothing is here"},
		{"GET", "/v1/customer/hops", 404, fault.NotFound, "gateway.no_path", "nothing is here"},
		{"GET", "/v1/customer/heartbeat", 404, fault.NotFound, "gateway.no_path", "nothing is here"},
		{"GET", "/v1/customer", 404, fault.NotFound, "gateway.no_path", "nothing is here"},
		{"GET", "/elsewhere", 404, fault.NotFound, "gateway.no_path", "nothing is here"},
		{"GET", "/v1/customer/words", 404, fault.NotFound, "gateway.no_endpoint", "no endpoint words"},
		{"GET", "/v1/customer/see?q=\xff", 400, fault.BadRequest, "gateway.bad_query", "UTF-8"},
		{"OPTIONS", "*", 404, fault.NotFound, "gateway.no_path", "nothing is here"},
		{"TRACE", "/v1/customer/see", 405, fault.BadRequest, "gateway.method", "TRACE"},
		{"BREW", "/v1/customer/see", 405, fault.BadRequest, "gateway.method", "BREW"},
		{"GET", "/v1/customer/closed", 401, fault.Unauthorized, "platform.unauthorized.anonymous", "denied"},
		{"GET", "/v1/customer/panics", 500, fault.Internal, "platform.panic", "on our side"},
		{"GET", "/v1/customer/see?q=" + strings.Repeat("x", maxTarget), 414, fault.BadRequest, "gateway.uri_too_long", "8192"},
	} {
		t.Run(c.method+" "+c.target[:min(len(c.target), 30)], func(t *testing.T) {
			response := do(g, request(c.method, c.target, ""))
			p := wantProblem(t, response, c.status, c.code, c.reason, c.part)
			if strings.Contains(p.Detail, "heartbeat") && !strings.Contains(c.target, "heartbeat") {
				t.Errorf("detail %q tells the world of built-in endpoints", p.Detail)
			}
			if allow := response.header.Get("Allow"); (c.status == 405) != (allow != "") {
				t.Errorf("Allow: %q with status %d", allow, c.status)
			}
		})
	}
}

func TestServiceWithoutInstancesIsUnavailable(t *testing.T) {
	w := newWorld(t)
	stop := w.run(w.customer())
	g := w.gateway()
	w.run(g)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	response := do(g, request(http.MethodGet, "/v1/customer/see", ""))
	wantProblem(t, response, http.StatusServiceUnavailable, fault.NoRoute, "bus.no_route.no_instance", "the last one left at")
	if response.header.Get("Retry-After") == "" {
		t.Error("no Retry-After header in a 503")
	}
}

func TestBudgetEndsARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run(w.customer())
		g := w.gateway()
		w.run(g.svc)
		start := time.Now()
		response := do(g, request(http.MethodPost, "/v1/customer/slow", "x"))
		wantProblem(t, response, http.StatusGatewayTimeout, fault.Timeout, "platform.timeout", "did not answer within 5s")
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("answered after %s, want the budget of 5 s", took)
		}
	})
}

func TestHeaderTooLarge(t *testing.T) {
	g := newWorld(t).city()
	response := do(g, request(http.MethodGet, "/v1/customer/see", "", "X-Long", strings.Repeat("x", maxHeader)))
	wantProblem(t, response, http.StatusRequestHeaderFieldsTooLarge, fault.BadRequest, "gateway.header_too_large", "32768")
}

// counted counts what is read of a body.
type counted struct {
	io.Reader
	read int
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.read += n
	return n, err
}

func TestLargeBodyIsRefusedEarly(t *testing.T) {
	g := newWorld(t).city()
	const size = 100 << 20
	for _, c := range []struct {
		name   string
		length int64
		most   int
		part   string
	}{
		{"declared", size, 0, "104857600 bytes, the limit is 983040"},
		{"chunked", -1, 2 * maxBody, "more than 983040 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := &counted{Reader: io.LimitReader(zeros{}, size)}
			r := request(http.MethodPost, "/v1/customer/see", "x")
			r.Body, r.ContentLength = io.NopCloser(body), c.length
			wantProblem(t, do(g, r), http.StatusRequestEntityTooLarge, fault.BadRequest, "gateway.body_too_large", c.part)
			if body.read > c.most {
				t.Errorf("%d bytes were read before the refusal, want %d at most", body.read, c.most)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestBodyAtTheLimitPasses(t *testing.T) {
	g := newWorld(t).city()
	r := request(http.MethodPost, "/v1/customer/status?is=200", "x", "X-Long", strings.Repeat("x", maxHeader-100))
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(make([]byte, maxBody))), maxBody
	if response := do(g, r); response.status != http.StatusOK {
		t.Errorf("status %d %s, want 200 for a body and a header as large as they may be", response.status, response.body)
	}
}

func TestRequestIDIsTheTrace(t *testing.T) {
	g := newWorld(t).city()
	const theirs = "0af7651916cd43dd8448eb211c80319c"
	r := request(http.MethodGet, "/v1/customer/see", "", "X-Request-Id", theirs, "Traceparent", "00-"+theirs+"-b7ad6b7169203331-01")
	response := do(g, r)
	id := response.header.Get(platform.HeaderRequestID)
	body := response.body
	if len(id) != 32 || id == theirs {
		t.Errorf("request id %q, want 32 digits of the gateway's own", id)
	}
	if strings.Contains(body, theirs) || strings.Count(body, id) < 2 {
		t.Errorf("the service saw %s, want the id %s as request id and trace, and nothing of the client's %s", body, id, theirs)
	}
}

func TestServicesCannotOverrideTheGatewaysHeaders(t *testing.T) {
	g := newWorld(t).city()
	h := do(g, request(http.MethodGet, "/v1/customer/rude", "")).header
	for name, values := range h {
		for _, v := range values {
			if v == "rude" {
				t.Errorf("the answer has %s: rude", name)
			}
		}
	}
	if cookies := h.Values("Set-Cookie"); len(cookies) != 2 {
		t.Errorf("cookies %q, want both", cookies)
	}
	if h.Get("X-Content-Type-Options") != "nosniff" || len(h.Values(platform.HeaderRequestID)) != 1 {
		t.Errorf("headers %v, want one request id and nosniff", h)
	}
}

func TestBadStatusOfAServiceIsABadResponse(t *testing.T) {
	for _, status := range []uint32{0, 100, 199, 600, 1 << 31} {
		v := arrive(newRecorder(), request(http.MethodGet, "/", ""))
		if err := v.pass(&hansompb.HttpResponse{Status: status}); !fault.Is(err, fault.BadResponse) {
			t.Errorf("pass(status %d) = %v, want a BadResponse", status, err)
		}
	}
}

func TestOverlayIsForTesters(t *testing.T) {
	w := newWorld(t)
	mine := w.customer(platform.Overlay("alice"))
	w.run(mine)
	g := w.city()
	const target = "/v1/customer/see"
	for _, session := range []string{tester, admin} {
		if got := see(t, g, request("GET", target, "", headerOverlay, "alice", headerAuthorization, session)); got.Overlay != "alice" || got.Instance != mine.ID() {
			t.Errorf("%s: overlay %q served by %s, want alice by %s", session, got.Overlay, got.Instance, mine.ID())
		}
	}
	for _, header := range [][]string{{}, {headerAuthorization, customer}} {
		got := see(t, g, request("GET", target, "", append(header, headerOverlay, "alice")...))
		if got.Overlay != "" || got.Instance == mine.ID() || got.Header.Get(headerOverlay) != "" {
			t.Errorf("%v: overlay %q, served by %s, header %q: want the header dropped", header, got.Overlay, got.Instance, got.Header.Get(headerOverlay))
		}
	}
	wantProblem(t, do(g, request("GET", target, "", headerOverlay, "no label", headerAuthorization, tester)), 400, fault.BadRequest, "gateway.overlay", "no label")
}

func TestHopsBeginAtTheGateway(t *testing.T) {
	w := newWorld(t)
	g := w.city()
	ok := do(g, request(http.MethodGet, "/v1/customer/see/42?customer=7", ""))
	refused := do(g, request(http.MethodPost, "/v1/no/such/path", ""))
	for _, c := range []struct {
		response answer
		endpoint string
		code     string
		cohort   int32
	}{
		{ok, "GET /v1/customer/see", "", int32(cohort(salt, "customer", "7"))},
		{refused, "POST unrouted", "NO_ROUTE", noCohort},
	} {
		var got hansompb.HopsResponse
		id := c.response.header.Get(platform.HeaderRequestID)
		err := g.outsider.Call(platform.WithToken(context.Background(), w.token("hs-root-ADMIN")), platform.Builtin(Name, platform.EndpointHops), &hansompb.HopsRequest{TraceId: id}, &got)
		if err != nil || len(got.GetHops()) < 2 {
			t.Fatalf("hops of %s: %v, %v; want the gateway's own and that of its call", id, got.GetHops(), err)
		}
		hop := got.GetHops()[0]
		if !hop.GetServer() || hop.GetParentId() != "" || hop.GetEndpoint() != c.endpoint || hop.GetCode() != c.code || hop.GetCohort() != c.cohort {
			t.Errorf("first hop %v, want a root of the server side, endpoint %s, code %q, cohort %d", hop, c.endpoint, c.code, c.cohort)
		}
		if call := got.GetHops()[1]; call.GetParentId() != hop.GetSpanId() || call.GetServer() {
			t.Errorf("second hop %v, want the call that the first one made", call)
		}
	}
}

func TestTooManyAtOnceAreShed(t *testing.T) {
	w := newWorld(t)
	g := w.city(func(c *Config) { c.Concurrency = 1 })
	var wg sync.WaitGroup
	wg.Go(func() { do(g, request(http.MethodGet, "/v1/customer/held", "")) })
	<-w.held
	for _, r := range []*http.Request{request(http.MethodGet, "/v1/customer/see", ""), rpcJSON(sayHello)} {
		wantProblem(t, do(g, r), http.StatusServiceUnavailable, fault.Unavailable, "gateway.shed", "handling 1 requests")
	}
	if status := do(g, request(http.MethodGet, "/status", "")).status; status != http.StatusOK {
		t.Errorf("/status of a full gateway: %d, want 200", status)
	}
	close(w.release)
	wg.Wait()
	see(t, g, request(http.MethodGet, "/v1/customer/see", ""))
}

func TestSlowBodiesKeepOutOnlyBodies(t *testing.T) {
	g := newWorld(t).city(func(c *Config) { c.Concurrency = 1 })
	release := make(chan struct{})
	held := request(http.MethodPost, "/v1/customer/see", "x")
	reading := make(chan struct{})
	held.Body, held.ContentLength = io.NopCloser(&blocked{reading: reading, release: release}), -1
	var wg sync.WaitGroup
	wg.Go(func() { do(g, held) })
	<-reading
	response := do(g, request(http.MethodPost, "/v1/customer/see", "x"))
	wantProblem(t, response, http.StatusServiceUnavailable, fault.Unavailable, "gateway.shed", "receiving 1 requests")
	see(t, g, request(http.MethodGet, "/v1/customer/see", ""))
	close(release)
	wg.Wait()
	see(t, g, request(http.MethodPost, "/v1/customer/see", "x"))
}

// blocked is a body that arrives when it is released.
type blocked struct {
	once             sync.Once
	reading, release chan struct{}
}

func (b *blocked) Read([]byte) (int, error) {
	b.once.Do(func() { close(b.reading) })
	<-b.release
	return 0, io.EOF
}

func TestGatewayPanicIsAProblem(t *testing.T) {
	g := newWorld(t).city()
	r := request(http.MethodPost, "/v1/customer/see", "x")
	r.Body = io.NopCloser(panics{})
	wantProblem(t, do(g, r), http.StatusInternalServerError, fault.Internal, "gateway.panic", "on our side")
}

type panics struct{}

func (panics) Read([]byte) (int, error) { panic("on purpose") }

func TestConcurrentRequestsDoNotMix(t *testing.T) {
	g := newWorld(t).city()
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 50 {
				body := fmt.Sprint(i, "/", j)
				if got := see(t, g, request(http.MethodPost, "/v1/customer/see", body)); got.Body != body || got.RequestID != got.Trace {
					t.Errorf("sent %q, the service saw %+v", body, got)
				}
			}
		})
	}
	wg.Wait()
}

func TestIdempotentRequestSurvivesADeadInstance(t *testing.T) {
	for method, want := range map[string]int{http.MethodGet: 200, http.MethodDelete: 200, http.MethodPost: 504, http.MethodPatch: 504} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.run(w.customer())
			died := w.dying("api.v1.customer")
			g := w.gateway()
			w.run(g.svc)
			for !died.Load() {
				got := do(g, request(method, "/v1/customer/see", "")).status
				if died.Load() && got != want || !died.Load() && got != 200 {
					t.Errorf("%s: status %d, instance died %t; want %d where it did, 200 otherwise", method, got, died.Load(), want)
				}
			}
		})
	}
}

func TestClientThatLeavesIsNoFailureOfOurs(t *testing.T) {
	w := newWorld(t)
	g := w.city()
	ctx, leave := context.WithCancel(t.Context())
	done := make(chan answer, 1)
	go func() { done <- do(g, request(http.MethodPost, "/v1/customer/held", "x").WithContext(ctx)) }()
	<-w.held
	leave()
	id := (<-done).header.Get(platform.HeaderRequestID)
	if hops := g.svc.Hops().Find(id); len(hops) == 0 || hops[0].GetReason() != "gateway.client_gone" {
		t.Errorf("hops %v, want the first one to say gateway.client_gone", hops)
	}
	close(w.release)
}

// TestFailuresOfAKnownPathCarryItsName: an operator must see which endpoint is away.
func TestFailuresOfAKnownPathCarryItsName(t *testing.T) {
	g := newWorld(t).city()
	to := destination{"api.v1.customer", "see", "/v1/customer/see"}
	away := fault.New(fault.NoRoute, "bus.no_route.gone", "gone")
	if got := g.label(to, away); got != endpointUnrouted {
		t.Errorf("the failure of a path that has not answered yet is counted as %s, want %s", got, endpointUnrouted)
	}
	see(t, g, request(http.MethodGet, "/v1/customer/see", ""))
	if got := g.label(to, away); got != to.template {
		t.Errorf("the failure of a path that has answered is counted as %s, want %s", got, to.template)
	}
}

var served = regexp.MustCompile(`hansom_requests_total{code="[A-Z_]+",endpoint="([^"]+)",service="api.gateway",side="server"}`)

func TestMadeUpPathsShareOneLabel(t *testing.T) {
	g := newWorld(t).city()
	do(g, request(http.MethodGet, "/v1/customer/see", ""))
	for i := range 100 {
		do(g, request(http.MethodGet, fmt.Sprintf("/v1/madeup%d/x", i), ""))
		do(g, request(http.MethodGet, fmt.Sprintf("/v1/customer/madeup%d", i), ""))
		do(g, request(fmt.Sprintf("MADEUP%d", i), "/v1/customer/see", ""))
	}
	scrape := httptest.NewRecorder()
	telemetry.Handler().ServeHTTP(scrape, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	endpoints := map[string]bool{}
	for _, m := range served.FindAllStringSubmatch(scrape.Body.String(), -1) {
		endpoints[m[1]] = true
	}
	if !endpoints["/v1/customer/see"] || !endpoints[endpointUnrouted] {
		t.Errorf("endpoints in metrics: %v, want /v1/customer/see and unrouted among them", endpoints)
	}
	for e := range endpoints {
		if strings.Contains(strings.ToLower(e), "madeup") {
			t.Errorf("metrics have the endpoint %s, which a client made up", e)
		}
	}
}
