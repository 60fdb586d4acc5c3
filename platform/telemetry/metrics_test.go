package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func get(t *testing.T, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

var runs atomic.Int64

func TestMetrics(t *testing.T) {
	service := fmt.Sprint("core.metrics", runs.Add(1)) // what is counted stays for the process
	server := EndpointMetrics(SideServer, service, "served")
	server.Observe("", 3*time.Millisecond)
	server.Observe("NOT_FOUND", time.Second)
	server.Observe("NO_SUCH_CODE", time.Second)
	server.Inflight(2)
	server.Inflight(-1)
	server.Shed()
	server.Retry() // is the calling side's
	client := EndpointMetrics(SideClient, service, "called")
	client.Retry()
	client.Circuit(CircuitOpen)
	if EndpointMetrics(SideClient, service, "called") != client {
		t.Error("EndpointMetrics made a second value for the same endpoint")
	}

	code, body := get(t, "/metrics")
	if code != http.StatusOK {
		t.Fatalf("GET /metrics = %d", code)
	}
	for _, line := range []string{
		`hansom_requests_total{code="OK",endpoint="served",service="SERVICE",side="server"} 1`,
		`hansom_requests_total{code="NOT_FOUND",endpoint="served",service="SERVICE",side="server"} 1`,
		`hansom_requests_total{code="INTERNAL",endpoint="served",service="SERVICE",side="server"} 1`,
		`hansom_request_duration_seconds_bucket{endpoint="served",service="SERVICE",side="server",le="0.0025"} 0`,
		`hansom_request_duration_seconds_bucket{endpoint="served",service="SERVICE",side="server",le="0.005"} 1`,
		`hansom_inflight{endpoint="served",service="SERVICE",side="server"} 1`,
		`hansom_shed_total{endpoint="served",service="SERVICE"} 1`,
		`hansom_retries_total{endpoint="called",service="SERVICE"} 1`,
		`hansom_circuit_state{endpoint="called",service="SERVICE"} 2`,
		`go_goroutines `,
	} {
		line = strings.ReplaceAll(line, "SERVICE", service)
		if !strings.Contains(body, line) {
			t.Errorf("/metrics lacks %s", line)
		}
	}
}

func TestMetricsAreBounded(t *testing.T) {
	defer func(all map[metricsKey]*Metrics) { endpoints.all = all }(endpoints.all)
	endpoints.all = nil
	for i := range maxEndpoints + 100 {
		EndpointMetrics(SideClient, "made.up", fmt.Sprint(i)).Observe("NO_ROUTE", 0)
	}
	if got := len(endpoints.all); got > maxEndpoints+1 {
		t.Errorf("made-up endpoints made %d sets of metrics, want at most %d", got, maxEndpoints+1)
	}
}

func TestHealthz(t *testing.T) {
	if code, body := get(t, "/healthz"); code != http.StatusOK || !strings.Contains(body, `"healthy":true`) {
		t.Errorf("/healthz without checks = %d %s", code, body)
	}
	defer Health("bus", func(context.Context) error { return nil })()
	remove := Health("disk", func(context.Context) error { return errors.New("no room") })
	want := `{"healthy":false,"checks":[{"name":"bus","healthy":true},{"name":"disk","healthy":false,"message":"no room"}]}`
	if code, body := get(t, "/healthz"); code != http.StatusServiceUnavailable || strings.TrimSpace(body) != want {
		t.Errorf("/healthz = %d %s, want 503 %s", code, body, want)
	}
	remove()
	if code, _ := get(t, "/healthz"); code != http.StatusOK {
		t.Errorf("/healthz after the failing check was removed = %d, want 200", code)
	}
}

func TestPprof(t *testing.T) {
	if code, body := get(t, "/debug/pprof/goroutine?debug=1"); code != http.StatusOK || !strings.Contains(body, "goroutine profile") {
		t.Errorf("/debug/pprof/goroutine = %d %.80s", code, body)
	}
}
