package telemetry

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/hansom-platform/hansom/fault"
)

// collector is an OTLP collector, for HTTP and for gRPC, that remembers spans.
type collector struct {
	collectorpb.UnimplementedTraceServiceServer
	mu    sync.Mutex
	spans map[string]*received // by name
}

type received struct {
	resource map[string]string
	attrs    map[string]string
	*tracepb.Span
}

func (c *collector) Export(_ context.Context, r *collectorpb.ExportTraceServiceRequest) (*collectorpb.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.spans == nil {
		c.spans = map[string]*received{}
	}
	for _, rs := range r.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				c.spans[s.Name] = &received{text(rs.Resource.Attributes), text(s.Attributes), s}
			}
		}
	}
	return &collectorpb.ExportTraceServiceResponse{}, nil
}

func text(kvs []*commonpb.KeyValue) map[string]string {
	m := map[string]string{}
	for _, kv := range kvs {
		m[kv.Key] = kv.Value.GetStringValue()
	}
	return m
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		body, _ = gzip.NewReader(body)
	}
	data, err := io.ReadAll(body)
	request := new(collectorpb.ExportTraceServiceRequest)
	if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(data, request) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	_, _ = c.Export(r.Context(), request)
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func (c *collector) get(t *testing.T, name string) *received {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.spans[name]; s != nil {
		return s
	}
	t.Fatalf("the collector got no span %q, only %v", name, c.spans)
	return nil
}

// clearVariables makes the test's environment that of a machine without OpenTelemetry.
func clearVariables(t *testing.T, set map[string]string) {
	t.Helper()
	for _, name := range []string{
		"OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
		"OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG",
		"OTEL_RESOURCE_ATTRIBUTES", "OTEL_SERVICE_NAME", "OTEL_BSP_SCHEDULE_DELAY",
	} {
		t.Setenv(name, set[name])
	}
}

func setup(t *testing.T, c Config, variables map[string]string) (flush func()) {
	t.Helper()
	clearVariables(t, variables)
	shutdown, err := Setup(t.Context(), c)
	if err != nil {
		t.Fatalf("Setup with %v: %v", variables, err)
	}
	flush = func() {
		if err := shutdown(context.Background()); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	}
	t.Cleanup(flush)
	return flush
}

// makeTrace makes one call between two services and returns its trace id.
func makeTrace() string {
	caller := WithIdentity(context.Background(), Identity{Service: "api.v1.customer", Zone: "a"})
	caller, client := StartClient(caller, "call core.eta")
	served := WithIdentity(context.Background(), Identity{Service: "core.eta", Version: "2026", Instance: "core.eta-1", Region: "eu", Zone: "b"})
	_, server := StartServer(served, "core.eta/estimate", client.TraceParent(), client.TraceState())
	server.SetString("hansom.overlay", "alice")
	server.End(fault.New(fault.NotFound, "core.eta.estimate.no_road", "there is no road"))
	client.End(fault.New(fault.NotFound, "core.eta.estimate.no_road", "there is no road"))
	_, inner := StartClient(caller, "core.eta/never")
	inner.End(nil)
	return client.TraceID()
}

func checkTrace(t *testing.T, c *collector, id string) {
	t.Helper()
	client, server, inner := c.get(t, "call core.eta"), c.get(t, "core.eta/estimate"), c.get(t, "core.eta/never")
	for _, s := range []*received{client, server, inner} {
		if got := trace.TraceID(s.TraceId).String(); got != id {
			t.Errorf("span %s is of trace %s, want %s", s.Name, got, id)
		}
	}
	if !bytes.Equal(server.ParentSpanId, client.SpanId) || !bytes.Equal(inner.ParentSpanId, client.SpanId) {
		t.Errorf("the parents are %x and %x, want %x", server.ParentSpanId, inner.ParentSpanId, client.SpanId)
	}
	if server.Kind != tracepb.Span_SPAN_KIND_SERVER || client.Kind != tracepb.Span_SPAN_KIND_CLIENT {
		t.Errorf("the kinds are %v and %v", server.Kind, client.Kind)
	}
	want := map[string]string{
		"rpc.system.name": "hansom", "rpc.method": "core.eta/estimate", "rpc.response.status_code": "NOT_FOUND",
		"error.type": "core.eta.estimate.no_road", "hansom.overlay": "alice",
	}
	if diff := cmp.Diff(want, server.attrs); diff != "" {
		t.Errorf("server attributes (-want +got):\n%s", diff)
	}
	if server.Status.GetCode() != tracepb.Status_STATUS_CODE_UNSET || client.Status.GetCode() != tracepb.Status_STATUS_CODE_ERROR {
		t.Errorf("the statuses are %v and %v, want unset for the server and error for the client", server.Status, client.Status)
	}
	for key, value := range map[string]string{
		"service.name": "core.eta", "service.version": "2026", "service.instance.id": "core.eta-1",
		"cloud.region": "eu", "cloud.availability_zone": "b", "team": "dispatch",
	} {
		if got := server.resource[key]; got != value {
			t.Errorf("resource attribute %s = %q, want %q", key, got, value)
		}
	}
	if got := client.resource["service.name"]; got != "api.v1.customer" {
		t.Errorf("the caller's service.name = %q, want api.v1.customer", got)
	}
}

func TestExportHTTP(t *testing.T) {
	c := new(collector)
	server := httptest.NewServer(c)
	defer server.Close()
	flush := setup(t, Config{}, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL,
		"OTEL_RESOURCE_ATTRIBUTES":    "team=dispatch,service.version=0",
	})
	id := makeTrace()
	flush()
	checkTrace(t, c, id)
	if _, span := StartRoot(context.Background(), "x"); span.Recording() {
		t.Error("spans are still recorded after shutdown")
	}
}

func TestExportGRPC(t *testing.T) {
	c := new(collector)
	server := grpc.NewServer()
	collectorpb.RegisterTraceServiceServer(server, c)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	defer server.Stop()
	flush := setup(t, Config{}, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + l.Addr().String(),
		"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
		"OTEL_RESOURCE_ATTRIBUTES":    "team=dispatch",
	})
	id := makeTrace()
	flush()
	checkTrace(t, c, id)
}

func TestExportConsole(t *testing.T) {
	var out bytes.Buffer
	flush := setup(t, Config{Console: &out, Identity: Identity{Service: "hansom"}}, map[string]string{"OTEL_TRACES_EXPORTER": "console"})
	_, span := StartRoot(context.Background(), "on the console")
	span.End(nil)
	flush()
	var got struct {
		Name        string
		SpanContext struct{ TraceID string }
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v in %s", err, out.String())
	}
	if got.Name != "on the console" || got.SpanContext.TraceID != span.TraceID() {
		t.Errorf("the console shows %+v, want trace %s", got, span.TraceID())
	}
}

// TestExportTwice has two exporters at once, and a collector that is away: the
// console still gets its spans, and shutdown says what was lost.
func TestExportTwice(t *testing.T) {
	clearVariables(t, map[string]string{
		"OTEL_TRACES_EXPORTER":        "console,otlp",
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
	})
	var out, log bytes.Buffer
	shutdown, err := Setup(t.Context(), Config{Console: &out, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	_, span := StartRoot(context.Background(), "twice")
	span.End(nil)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err = shutdown(ctx)
	if !strings.Contains(out.String(), span.TraceID()) {
		t.Errorf("the console lacks trace %s: %s", span.TraceID(), out.String())
	}
	if err == nil && !strings.Contains(log.String(), "telemetry could not be exported") {
		t.Errorf("nobody says that the collector is away; shutdown returned nil and the log is %q", log.String())
	}
}

func TestRemoteParentDecidesSampling(t *testing.T) {
	setup(t, Config{Console: io.Discard}, map[string]string{"OTEL_TRACES_EXPORTER": "console"})
	_, span := StartServer(context.Background(), "x", strings.TrimSuffix(someParent, "1")+"0", "a=b")
	if span.Recording() {
		t.Error("a trace that its root did not sample is recorded")
	}
	if span.TraceID() != someTrace || span.ParentID() != someSpan || span.TraceState() != "a=b" {
		t.Errorf("the trace is %s below %s with state %q, want it continued", span.TraceID(), span.ParentID(), span.TraceState())
	}
}

func TestSettings(t *testing.T) {
	endpoint := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}
	tests := []struct {
		name      string
		variables map[string]string
		exporters []string
		names     string // variable that the error must name
	}{
		{name: "nothing set"},
		{name: "endpoint", variables: endpoint, exporters: []string{"otlp"}},
		{name: "none", variables: map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}},
		{name: "two", variables: map[string]string{"OTEL_TRACES_EXPORTER": "otlp, console"}, exporters: []string{"otlp", "console"}},
		{name: "disabled", variables: map[string]string{"OTEL_SDK_DISABLED": "TRUE", "OTEL_TRACES_EXPORTER": "otlp"}},
		{name: "unknown exporter", variables: map[string]string{"OTEL_TRACES_EXPORTER": "zipkin"}, names: "OTEL_TRACES_EXPORTER"},
		{name: "protocol", variables: map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
			names: "OTEL_EXPORTER_OTLP_PROTOCOL"},
		{name: "sampler", variables: map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_TRACES_SAMPLER": "sometimes"},
			names: "OTEL_TRACES_SAMPLER"},
		{name: "ratio", variables: map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "NaN"},
			names: "OTEL_TRACES_SAMPLER_ARG"},
		{name: "no URL", variables: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "localhost:4318"}, names: "OTEL_EXPORTER_OTLP_ENDPOINT"},
		{name: "no number", variables: map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_BSP_SCHEDULE_DELAY": "5s"},
			names: "OTEL_BSP_SCHEDULE_DELAY"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, err := readSettings(func(name string) string { return test.variables[name] })
			if (err != nil) != (test.names != "") || (err != nil && !strings.Contains(err.Error(), test.names+"=")) {
				t.Fatalf("%v: error %v, want one about %q", test.variables, err, test.names)
			}
			if !slices.Equal(s.exporters, test.exporters) {
				t.Errorf("%v: exporters %v, want %v", test.variables, s.exporters, test.exporters)
			}
		})
	}
}

func TestSamplers(t *testing.T) {
	for name, want := range map[string]string{
		"":                         "ParentBased{root:AlwaysOnSampler",
		"always_on":                "AlwaysOnSampler",
		"always_off":               "AlwaysOffSampler",
		"traceidratio":             "TraceIDRatioBased{0.25}",
		"parentbased_always_on":    "ParentBased{root:AlwaysOnSampler",
		"parentbased_always_off":   "ParentBased{root:AlwaysOffSampler",
		"parentbased_traceidratio": "ParentBased{root:TraceIDRatioBased{0.25}",
	} {
		sampler, err := readSampler(func(v string) string {
			return map[string]string{"OTEL_TRACES_SAMPLER": name, "OTEL_TRACES_SAMPLER_ARG": "0.25"}[v]
		})
		if err != nil || !strings.HasPrefix(sampler.Description(), want) {
			t.Errorf("OTEL_TRACES_SAMPLER=%s: %v, %v; want %s", name, sampler, err, want)
		}
	}
}

func TestBadResourceAttributes(t *testing.T) {
	clearVariables(t, map[string]string{"OTEL_TRACES_EXPORTER": "console", "OTEL_RESOURCE_ATTRIBUTES": "novalue"})
	if _, err := Setup(t.Context(), Config{Console: io.Discard}); err == nil || !strings.Contains(err.Error(), "OTEL_RESOURCE_ATTRIBUTES") {
		t.Errorf("Setup = %v, want an error about OTEL_RESOURCE_ATTRIBUTES", err)
	}
}
