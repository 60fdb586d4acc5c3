package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSpansOfOneTrace(t *testing.T) {
	ctx, root := StartRoot(context.Background(), "root")
	_, child := StartClient(ctx, "core.eta/estimate")
	_, far := StartServer(context.Background(), "core.eta/estimate", child.TraceParent(), child.TraceState())
	_, other := StartRoot(ctx, "other")

	if root.ParentID() != "" {
		t.Errorf("the root has the parent %q", root.ParentID())
	}
	if child.TraceID() != root.TraceID() || child.ParentID() != root.SpanID() {
		t.Errorf("the call is %s below %s, want trace %s below %s", child.TraceID(), child.ParentID(), root.TraceID(), root.SpanID())
	}
	if far.TraceID() != root.TraceID() || far.ParentID() != child.SpanID() {
		t.Errorf("the handling is %s below %s, want trace %s below %s", far.TraceID(), far.ParentID(), root.TraceID(), child.SpanID())
	}
	if other.TraceID() == root.TraceID() {
		t.Errorf("StartRoot went on with ctx's trace %s", root.TraceID())
	}
	if got := TraceID(ctx); got != root.TraceID() || len(got) != 32 {
		t.Errorf("TraceID(ctx) = %q, want %q", got, root.TraceID())
	}
	if got := CurrentSpan(ctx).SpanID(); got != root.SpanID() {
		t.Errorf("CurrentSpan(ctx) = %q, want %q", got, root.SpanID())
	}
}

func TestZeroSpan(t *testing.T) {
	var s Span
	s.SetString("a", "b")
	s.SetInt("a", 1)
	s.End(errors.New("nobody hears this"))
	if got := s.TraceID() + s.SpanID() + s.ParentID() + s.TraceParent() + s.TraceState(); got != "" || s.Recording() {
		t.Errorf("the zero span says %q", got)
	}
	if got := TraceID(context.Background()); got != "" {
		t.Errorf("TraceID(background) = %q", got)
	}
}

func TestIdentityIsInherited(t *testing.T) {
	id := Identity{Service: "core.eta", Instance: "core.eta-1"}
	ctx, span := StartRoot(context.Background(), "before")
	ctx = WithIdentity(ctx, id)
	if got := TraceID(ctx); got != span.TraceID() {
		t.Errorf("WithIdentity lost the trace: %q, want %q", got, span.TraceID())
	}
	ctx, _ = StartClient(ctx, "x")
	if got := IdentityOf(ctx); got != id {
		t.Errorf("IdentityOf below a span = %+v, want %+v", got, id)
	}
}

func TestLogHandler(t *testing.T) {
	ctx := WithIdentity(context.Background(), Identity{Service: "core.eta", Instance: "core.eta-1"})
	ctx, span := StartServer(ctx, "core.eta/estimate", someParent, "")
	where := map[string]any{
		"trace_id": span.TraceID(), "span_id": span.SpanID(), "service": "core.eta", "instance": "core.eta-1",
	}
	tests := []struct {
		name string
		log  func(*slog.Logger)
		want map[string]any
	}{
		{"plain", func(l *slog.Logger) { l.InfoContext(ctx, "m", "k", "v") }, map[string]any{"k": "v"}},
		{"with", func(l *slog.Logger) { l.With("a", 1.0).InfoContext(ctx, "m") }, map[string]any{"a": 1.0}},
		{"group", func(l *slog.Logger) { l.With("a", 1.0).WithGroup("g").With("b", 2.0).InfoContext(ctx, "m", "k", "v") },
			map[string]any{"a": 1.0, "g": map[string]any{"b": 2.0, "k": "v"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			test.log(slog.New(NewLogHandler(slog.NewJSONHandler(&out, nil))))
			for k, v := range where {
				test.want[k] = v
			}
			var got map[string]any
			if err := json.Unmarshal(out.Bytes(), &got); err != nil {
				t.Fatalf("%v in %s", err, out.String())
			}
			for _, k := range []string{"time", "level", "msg"} {
				delete(got, k)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("record (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLogHandlerWithoutTrace(t *testing.T) {
	var out bytes.Buffer
	slog.New(NewLogHandler(slog.NewTextHandler(&out, nil))).Info("m")
	if bytes.Contains(out.Bytes(), []byte("trace_id")) {
		t.Errorf("a line without a trace has a trace id: %s", out.String())
	}
}

func TestSpanCost(t *testing.T) {
	ctx := context.Background()
	if n := testing.AllocsPerRun(100, func() { StartServer(ctx, "core.eta/estimate", someParent, "") }); n > 1 {
		t.Errorf("a span that is not exported allocates %v times, want 1", n)
	}
}
