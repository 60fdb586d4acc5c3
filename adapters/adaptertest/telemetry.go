package adaptertest

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hansom-platform/hansom/platform/telemetry"
)

// Spans has spans exported while the test runs, and returns what gives those of the
// named adapter as text, one JSON object a line.
func Spans(t *testing.T, name string) (exported func() string) {
	t.Helper()
	t.Setenv("OTEL_TRACES_EXPORTER", "console")
	text := new(bytes.Buffer)
	shutdown, err := telemetry.Setup(t.Context(), telemetry.Config{Console: text})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = shutdown(context.Background()) })
	return func() string {
		if err := shutdown(context.Background()); err != nil {
			t.Errorf("export the spans: %v", err)
		}
		var of strings.Builder
		for line := range strings.Lines(text.String()) {
			if strings.Contains(line, " "+name+`","SpanContext"`) {
				of.WriteString(line)
			}
		}
		return of.String()
	}
}

// Metrics returns the samples of adapters, one a line, as
// name{label=value,…} value; of a histogram its count.
func Metrics(t testing.TB) string {
	t.Helper()
	families, err := telemetry.Registry().(prometheus.Gatherer).Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "hansom_adapter_") {
			continue
		}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			value := m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			fmt.Fprintf(&text, "%s{%s} %v\n", f.GetName(), strings.Join(labels, ","), value)
		}
	}
	return text.String()
}

// Sample returns the value of one line of Metrics, 0 where there is none.
func Sample(t testing.TB, name, labels string) float64 {
	t.Helper()
	for line := range strings.Lines(Metrics(t)) {
		value, found := strings.CutPrefix(line, name+"{"+labels+"} ")
		if !found {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return 0
}
