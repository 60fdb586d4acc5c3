package telemetry

import (
	"context"
	"strings"
	"testing"
)

const (
	someTrace  = "0af7651916cd43dd8448eb211c80319c"
	someSpan   = "b7ad6b7169203331"
	someParent = "00-" + someTrace + "-" + someSpan + "-01"
)

func TestTraceParent(t *testing.T) {
	tests := []struct {
		name   string
		header string
		flags  string // of the header sent on; "" where a new trace must start
	}{
		{"sampled", someParent, "01"},
		{"not sampled", "00-" + someTrace + "-" + someSpan + "-00", "00"},
		{"random", "00-" + someTrace + "-" + someSpan + "-02", "02"},
		{"unknown flags are dropped", "00-" + someTrace + "-" + someSpan + "-ff", "03"},
		{"future version", "cc-" + someTrace + "-" + someSpan + "-01", "01"},
		{"future version with more fields", "cc-" + someTrace + "-" + someSpan + "-01-what-the-future-holds", "01"},
		{"future version with junk", "cc-" + someTrace + "-" + someSpan + "-01.what", ""},
		{"version 00 with more fields", someParent + "-extra", ""},
		{"version ff", "ff-" + someTrace + "-" + someSpan + "-01", ""},
		{"upper case", strings.ToUpper(someParent), ""},
		{"zero trace id", "00-" + strings.Repeat("0", 32) + "-" + someSpan + "-01", ""},
		{"zero span id", "00-" + someTrace + "-" + strings.Repeat("0", 16) + "-01", ""},
		{"not hexadecimal", "00-" + strings.Repeat("g", 32) + "-" + someSpan + "-01", ""},
		{"short", someParent[:54], ""},
		{"wrong dashes", strings.ReplaceAll(someParent, "-", "_"), ""},
		{"empty", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, span := StartServer(context.Background(), "x", test.header, "")
			if test.flags == "" {
				if span.TraceID() == someTrace || span.ParentID() != "" {
					t.Fatalf("traceparent %q was continued as %s, want a new trace", test.header, span.TraceParent())
				}
				return
			}
			want := "00-" + someTrace + "-" + span.SpanID() + "-" + test.flags
			if got := span.TraceParent(); got != want || span.ParentID() != someSpan {
				t.Fatalf("traceparent %q was continued as %q below %q, want %q below %q", test.header, got, span.ParentID(), want, someSpan)
			}
		})
	}
}

func TestTraceState(t *testing.T) {
	for state, want := range map[string]string{
		"":                            "",
		"congo=t61rcWkgMzE,rojo=00f0": "congo=t61rcWkgMzE,rojo=00f0",
		"bad=\x00":                    "",
		strings.Repeat("a", 513):      "",
	} {
		if _, span := StartServer(context.Background(), "x", someParent, state); span.TraceState() != want {
			t.Errorf("tracestate %q became %q, want %q", state, span.TraceState(), want)
		}
	}
	if _, span := StartServer(context.Background(), "x", "rubbish", "a=b"); span.TraceState() != "" {
		t.Errorf("tracestate %q was taken over without its traceparent", span.TraceState())
	}
}

func FuzzTraceParent(f *testing.F) {
	for _, seed := range []string{someParent, "", "cc-" + someTrace + "-" + someSpan + "-01-x", "ff" + someParent[2:]} {
		f.Add(seed, "a=b")
	}
	f.Fuzz(func(t *testing.T, header, state string) {
		_, span := StartServer(context.Background(), "x", header, state)
		sent := span.TraceParent()
		again, ok := parseTraceParent(sent)
		if !ok || again.trace.String() != span.TraceID() || again.span.String() != span.SpanID() {
			t.Fatalf("traceparent %q is sent on as %q, which says something else", header, sent)
		}
		if span.ParentID() != "" && !strings.Contains(header, span.TraceID()+"-"+span.ParentID()) {
			t.Fatalf("traceparent %q became trace %s below %s", header, span.TraceID(), span.ParentID())
		}
		if got := span.TraceState(); got != "" && got != state {
			t.Fatalf("tracestate %q became %q", state, got)
		}
	})
}
