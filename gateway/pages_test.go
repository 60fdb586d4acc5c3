package gateway

import (
	"net/http"
	"strings"
	"testing"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
)

func TestPages(t *testing.T) {
	g := newWorld(t).city()
	for path, part := range map[string]string{"/": "hansom why", "/status": `"status":"ok"`, "/version": `"version":"v1"`} {
		response := do(g, foreign(request(http.MethodGet, path, "")))
		body := response.body
		if response.status != http.StatusOK || !strings.Contains(body, part) || len(response.header.Get(platform.HeaderRequestID)) != 32 {
			t.Errorf("GET %s: status %d, id %q, body %s: want 200, an id and %s", path, response.status, response.header.Get(platform.HeaderRequestID), body, part)
		}
		response = do(g, request(http.MethodHead, path, ""))
		if head := response.body; response.status != http.StatusOK || head != "" {
			t.Errorf("HEAD %s: status %d, body %q: want 200 and no body", path, response.status, head)
		}
		response = do(g, request(http.MethodPost, path, "x"))
		wantProblem(t, response, http.StatusMethodNotAllowed, fault.BadRequest, "gateway.method", "POST")
		if allow := response.header.Get("Allow"); allow != "GET, HEAD" {
			t.Errorf("POST %s: Allow %q, want GET, HEAD", path, allow)
		}
	}
}

func TestStatusNeedsTheBus(t *testing.T) {
	w := newWorld(t)
	g := w.gateway()
	wantProblem(t, do(g, request("GET", "/status", "")), http.StatusServiceUnavailable, fault.Unavailable, "gateway.no_bus", "not connected")
	w.run(g)
	w.engine.Stop()
	wantProblem(t, do(g, request("GET", "/status", "")), http.StatusServiceUnavailable, fault.Unavailable, "gateway.no_bus", "not connected")
	w.engine.Start()
	if status := do(g, request("GET", "/status", "")).status; status != http.StatusOK {
		t.Errorf("/status with the bus back: %d, want 200", status)
	}
}

func TestPagesHaveOneSpelling(t *testing.T) {
	g := newWorld(t).city()
	for _, path := range []string{"/%72pc", "/r%70c", "/%73tatus", "/version%2f", "//rpc", "/rpc/"} {
		if response := do(g, request(http.MethodPost, path, sayHello, "Content-Type", typeJSON, headerAuthorization, admin)); response.status != http.StatusNotFound {
			t.Errorf("POST %s: %d %s, want 404", path, response.status, response.body)
		}
	}
}
