package gateway

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/hansom-platform/hansom/fault"
	hansompb "github.com/hansom-platform/hansom/proto/hansom"
)

func newRecorder() *httptest.ResponseRecorder { return httptest.NewRecorder() }

func rpcJSON(body string, header ...string) *http.Request {
	return request(http.MethodPost, "/rpc", body, append([]string{"Content-Type", typeJSON, headerAuthorization, admin}, header...)...)
}

// Sessions, as they are sent.
const (
	admin    = "Bearer hs-root-ADMIN"
	customer = "Bearer hs-ada-CUSTOMER"
	driver   = "Bearer hs-bo-DRIVER"
	tester   = "Bearer hs-tess-TESTER"
)

const sayHello = `{"service": "core.echo", "endpoint": "say", "request": "hello"}`

func TestRPCInJSON(t *testing.T) {
	g := newWorld(t).city()
	response := do(g, rpcJSON(sayHello))
	if body := response.body; response.status != http.StatusOK || body != `"hello"` || response.header.Get("Content-Type") != typeJSON {
		t.Errorf("status %d, %s %s: want 200, %s \"hello\"", response.status, response.header.Get("Content-Type"), body, typeJSON)
	}
	if by := response.header.Get(headerServedBy); !strings.HasPrefix(by, "core.echo-") || !strings.HasSuffix(by, " v1 a") {
		t.Errorf("%s: %q, want instance, version and zone", headerServedBy, by)
	}
}

func TestRPCInProtobuf(t *testing.T) {
	g := newWorld(t).city()
	message, _ := proto.Marshal(wrapperspb.String("hello"))
	body, _ := proto.Marshal(&hansompb.RpcRequest{Service: "core.echo", Endpoint: "say", Request: message})
	response := do(g, request(http.MethodPost, "/rpc", string(body), "Content-Type", typeProtobuf, headerAuthorization, admin))
	if got := response.body; response.status != http.StatusOK || got != string(message) || response.header.Get("Content-Type") != typeProtobuf {
		t.Errorf("status %d, %s %q: want 200, %s %q", response.status, response.header.Get("Content-Type"), got, typeProtobuf, message)
	}
}

func TestRPCWithoutARequestSendsAnEmptyOne(t *testing.T) {
	g := newWorld(t).city()
	for _, body := range []string{`{"service":"core.echo","endpoint":"health"}`, `{"service":"core.echo","endpoint":"health","request":null}`} {
		if response := do(g, rpcJSON(body)); response.status != http.StatusOK {
			t.Errorf("%s: status %d %s, want 200", body, response.status, response.body)
		}
	}
}

func TestRPCRefusals(t *testing.T) {
	g := newWorld(t).city()
	for _, c := range []struct {
		name         string
		r            *http.Request
		status       int
		code         fault.Code
		reason, part string
	}{
		{"no session", request("POST", "/rpc", sayHello, "Content-Type", typeJSON), 401, fault.Unauthorized, "gateway.rpc.no_session", "Bearer"},
		{"session in the query", request("POST", "/rpc?session_id=hs-root-ADMIN", sayHello, "Content-Type", typeJSON), 401, fault.Unauthorized, "gateway.rpc.no_session", "Bearer"},
		{"bad session", request("POST", "/rpc", sayHello, "Content-Type", typeJSON, headerAuthorization, "Bearer guess"), 401, fault.Unauthorized, reasonEnded, "log in again"},
		{"no operator", request("POST", "/rpc", sayHello, "Content-Type", typeJSON, headerAuthorization, customer), 403, fault.Forbidden, "platform.forbidden.role", "denied"},
		{"only for services", request("POST", "/rpc", `{"service":"core.echo","endpoint":"serve","request":""}`, "Content-Type", typeJSON, headerAuthorization, customer), 403, fault.Forbidden, "platform.forbidden.role", "denied"},
		{"page of another site", rpcJSON(sayHello, "Sec-Fetch-Site", "cross-site"), 403, fault.Forbidden, "gateway.rpc.cross_origin", "another site"},
		{"form", request("POST", "/rpc", sayHello, "Content-Type", "text/plain", headerAuthorization, admin), 415, fault.BadRequest, "gateway.rpc.content_type", "text/plain"},
		{"no type", request("POST", "/rpc", sayHello, headerAuthorization, admin), 415, fault.BadRequest, "gateway.rpc.content_type", typeJSON},
		{"GET", request("GET", "/rpc", ""), 405, fault.BadRequest, "gateway.method", "POST"},
		{"empty", rpcJSON(""), 400, fault.BadRequest, "gateway.rpc.body", "empty"},
		{"cut", rpcJSON(`{"service":`), 400, fault.BadRequest, "gateway.rpc.body", "ends too early"},
		{"no JSON", rpcJSON(`service=core.echo`), 400, fault.BadRequest, "gateway.rpc.body", "invalid character"},
		{"array", rpcJSON(`[1]`), 400, fault.BadRequest, "gateway.rpc.body", "it is of the type array"},
		{"wrong type", rpcJSON(`{"service": 1}`), 400, fault.BadRequest, "gateway.rpc.body", "service is of the type number"},
		{"long name", rpcJSON(`{"service":"core.echo","endpoint":"` + strings.Repeat("a", 257) + `"}`), 400, fault.BadRequest, "gateway.rpc.body", "256"},
		{"unknown field", rpcJSON(`{"servcie": "core.echo"}`), 400, fault.BadRequest, "gateway.rpc.body", "servcie"},
		{"two objects", rpcJSON(sayHello + sayHello), 400, fault.BadRequest, "gateway.rpc.body", "follows"},
		{"no endpoint", rpcJSON(`{"service": "core.echo"}`), 400, fault.BadRequest, "gateway.rpc.body", "core.echo"},
		{"wrong message", rpcJSON(`{"service":"core.echo","endpoint":"say","request":{"a":1}}`), 400, fault.BadRequest, "platform.decode", "core.echo/say"},
		{"unknown service", rpcJSON(`{"service":"core.nosuch","endpoint":"say"}`), 404, fault.NoRoute, "bus.no_route.unknown_service", "core.nosuch"},
		{"unknown endpoint", rpcJSON(`{"service":"core.echo","endpoint":"nosuch"}`), 404, fault.NotFound, "platform.no_endpoint", "say"},
		{"fault of the peer", rpcJSON(`{"service":"core.echo","endpoint":"fail","request":"x"}`), 409, fault.Conflict, "core.echo.fail", "it is so: x"},
		{"no protobuf", request("POST", "/rpc", "\xff\xff", "Content-Type", typeProtobuf, headerAuthorization, admin), 400, fault.BadRequest, "gateway.rpc.body", "RpcRequest"},
		{"too large", rpcJSON(strings.Repeat(" ", maxBody+1)), 413, fault.BadRequest, "gateway.body_too_large", "983041"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := wantProblem(t, do(g, c.r), c.status, c.code, c.reason, c.part)
			if strings.Contains(p.Detail, "secret") || strings.Contains(p.Detail, "ADMIN") || strings.Contains(p.Detail, "SERVICE") {
				t.Errorf("detail %q shows the operator's detail of the peer", p.Detail)
			}
		})
	}
}

func TestRPCFromAnywhere(t *testing.T) {
	g := newWorld(t).city()
	for name, r := range map[string]*http.Request{
		"elsewhere": foreign(rpcJSON(sayHello)),
		"proxied":   foreign(rpcJSON(sayHello, "X-Forwarded-For", "203.0.113.9")),
	} {
		if response := do(g, r); response.status != http.StatusOK {
			t.Errorf("%s: status %d %s, want 200 for an administrator's session", name, response.status, response.body)
		}
	}
}
