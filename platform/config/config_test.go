package config_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform/config"
)

func values(t testing.TB, document string) *config.Values {
	t.Helper()
	v := config.New()
	if err := v.Set([]byte(document), 1, "h1"); err != nil {
		t.Fatalf("Set(%s): %v", document, err)
	}
	return v
}

func TestGetters(t *testing.T) {
	v := values(t, `{
		"d": "50ms", "s": "text", "i": 12, "whole": 1e3, "point": 7.0, "f": 0.25, "b": true, "nothing": null,
		"big": 9007199254740993, "huge": 1e99, "deep": {"er": {"still": "1h30m"}}, "dot.ted": 1, "": {"": 5}
	}`)
	v.SetLogger(slog.New(slog.DiscardHandler))
	ctx := config.NewContext(context.Background(), v)
	for _, test := range []struct {
		what      string
		got, want any
	}{
		{"a duration", config.Duration(ctx, "d", 1), 50 * time.Millisecond},
		{"a deep duration", config.Duration(ctx, "deep.er.still", 1), 90 * time.Minute},
		{"a string", config.String(ctx, "s", "x"), "text"},
		{"a whole number", config.Int(ctx, "i", 1), 12},
		{"a whole number with an exponent", config.Int(ctx, "whole", 1), 1000},
		{"a whole number with a point", config.Int(ctx, "point", 1), 7},
		{"a number that a float64 cannot hold", config.Int(ctx, "big", 1), 9007199254740993},
		{"a number", config.Float(ctx, "f", 1), 0.25},
		{"a boolean", config.Bool(ctx, "b", false), true},
		{"members without a name", config.Int(ctx, ".", 1), 5},
		{"null", config.Int(ctx, "nothing", 3), 3},
		{"a missing member", config.String(ctx, "no.such", "x"), "x"},
		{"a member of a string", config.String(ctx, "s.deeper", "x"), "x"},
		{"a name with a dot", config.Int(ctx, "dot.ted", 3), 3},
		{"a string as a number", config.Int(ctx, "s", 3), 3},
		{"a fraction as a whole number", config.Int(ctx, "f", 3), 3},
		{"a number beyond all integers", config.Int(ctx, "huge", 3), 3},
		{"a number as a duration", config.Duration(ctx, "i", time.Second), time.Second},
		{"a text as a duration", config.Duration(ctx, "s", time.Second), time.Second},
		{"an object as a string", config.String(ctx, "deep", "x"), "x"},
		{"a string as a boolean", config.Bool(ctx, "s", true), true},
	} {
		if test.got != test.want {
			t.Errorf("%s = %v, want %v", test.what, test.got, test.want)
		}
	}
}

func TestContextWithoutValues(t *testing.T) {
	v := config.FromContext(context.Background())
	if got := v.Int("any", 4); got != 4 {
		t.Errorf("Int = %d, want the fallback 4", got)
	}
	if err := v.Set([]byte(`{"any": 1}`), 1, ""); !fault.Is(err, fault.Conflict) {
		t.Errorf("Set on the values of a context without any = %v, want CONFLICT", err)
	}
}

func TestWrongTypesAreToldOnceAndNotShown(t *testing.T) {
	var log bytes.Buffer
	v := values(t, `{"password": "hunter2"}`)
	v.SetLogger(slog.New(slog.NewTextHandler(&log, nil)))
	for range 3 {
		v.Int("password", 0)
	}
	lines := strings.Count(log.String(), "\n")
	if lines != 1 || !strings.Contains(log.String(), "key=password") || strings.Contains(log.String(), "hunter2") {
		t.Errorf("got %d lines, want one that names the key and not the value:\n%s", lines, &log)
	}
	if err := v.Set([]byte(`{"password": "hunter3"}`), 2, ""); err != nil {
		t.Fatal(err)
	}
	v.Int("password", 0)
	if lines := strings.Count(log.String(), "\n"); lines != 2 {
		t.Errorf("after another document there are %d lines, want 2", lines)
	}
}

func TestSetRefusesWhatIsNoObject(t *testing.T) {
	for _, document := range []string{``, `null`, `[]`, `"hunter2"`, `{"a":1`, `{"a":hunter2}`, `{} {}`, `{}hunter2`, strings.Repeat(`{"a":`, 20000)} {
		v := values(t, `{"kept": 1}`)
		err := v.Set([]byte(document), 2, "h2")
		if !fault.Is(err, fault.BadRequest) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Set(%.20q) = %v, want BAD_REQUEST that shows no value", document, err)
		}
		if v.Int("kept", 0) != 1 || v.Revision() != 1 || v.Hash() != "h1" {
			t.Errorf("after Set(%.20q): %s at %d %s, want all as before", document, v.Document(), v.Revision(), v.Hash())
		}
	}
}

func TestDocumentIsACopy(t *testing.T) {
	v := values(t, `{"a": 1}`)
	v.Document()[2] = 'b'
	if got := string(v.Document()); got != `{"a": 1}` {
		t.Errorf("after a change of what Document returned it returns %s", got)
	}
}

func TestGettersAreCheap(t *testing.T) {
	v := values(t, `{"hansom": {"gateway": {"timeout": "50ms", "limit": 12, "rate": 0.5, "name": "x", "on": true}}}`)
	ctx := config.NewContext(context.Background(), v)
	allocated := testing.AllocsPerRun(100, func() {
		config.Duration(ctx, "hansom.gateway.timeout", 0)
		config.Int(ctx, "hansom.gateway.limit", 0)
		config.Float(ctx, "hansom.gateway.rate", 0)
		config.String(ctx, "hansom.gateway.name", "")
		config.Bool(ctx, "hansom.gateway.on", false)
		config.Bool(ctx, "hansom.gateway.missing", false)
	})
	if allocated != 0 {
		t.Errorf("getters allocate %v times, want never", allocated)
	}
}

func BenchmarkDuration(b *testing.B) {
	v := values(b, `{"hansom": {"gateway": {"timeout": "50ms"}}}`)
	ctx := config.NewContext(context.Background(), v)
	b.ReportAllocs()
	for b.Loop() {
		config.Duration(ctx, "hansom.gateway.timeout", 0)
	}
}

func BenchmarkInt(b *testing.B) {
	v := values(b, `{"hansom": {"gateway": {"limit": 1200}}}`)
	b.ReportAllocs()
	for b.Loop() {
		v.Int("hansom.gateway.limit", 0)
	}
}

func BenchmarkSet(b *testing.B) {
	documents := [][]byte{
		[]byte(`{"hansom": {"gateway": {"timeout": "50ms"}}, "a": [1, 2, 3], "b": {"c": "text"}}`),
		[]byte(`{"hansom": {"gateway": {"timeout": "51ms"}}, "a": [1, 2, 3], "b": {"c": "text"}}`),
	}
	v := config.New()
	b.ReportAllocs()
	for i := uint64(1); b.Loop(); i++ {
		if err := v.Set(documents[i%2], i, ""); err != nil {
			b.Fatal(err)
		}
	}
}
