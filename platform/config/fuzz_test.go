package config_test

import (
	"encoding/json"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/platform/config"
)

// FuzzSet takes every JSON object and nothing else, and every getter copes with
// what is in it.
func FuzzSet(f *testing.F) {
	for _, seed := range []string{
		`{}`, `[]`, `{"a":{"b":"5ms"}}`, `{"a":{"b":1e999999999999}}`, `{"a":{"b":-0.0}}`, `{"a":{"b":"\ud800"}}`,
		"{\"a\xff\":1}", `{"a":1,"a":{"b":true}}`, `{"a":{"b":[null,{"c":{}}]}}`, `{"":{"":""}}`, `{"a":1} x`,
	} {
		f.Add([]byte(seed), "a.b")
		f.Add([]byte(seed), ".")
	}
	f.Fuzz(func(t *testing.T, document []byte, key string) {
		v := config.New()
		v.SetLogger(slog.New(slog.DiscardHandler))
		err := v.Set(document, 1, "")
		var plain map[string]any
		decoder := json.NewDecoder(strings.NewReader(string(document)))
		decoder.UseNumber()
		object := json.Valid(document) && decoder.Decode(&plain) == nil && plain != nil
		if object != (err == nil) {
			t.Fatalf("Set(%q) = %v, and encoding/json says that it is an object: %v", document, err, object)
		}
		v.Duration(key, time.Second)
		v.Int(key, 1)
		v.Float(key, 1)
		v.Bool(key, true)
		v.String(key, "")
		var s settings
		_ = v.Decode(key, &s) // only must not panic
		if object {
			mustRoundTrip(t, v, plain)
		}
	})
}

func mustRoundTrip(t *testing.T, v *config.Values, plain map[string]any) {
	t.Helper()
	var all map[string]json.RawMessage
	if err := v.Decode("", &all); err != nil {
		t.Fatalf("Decode of %s into a map: %v", v.Document(), err)
	}
	if len(all) != len(plain) {
		t.Fatalf("Decode of %s has %d members, want %d", v.Document(), len(all), len(plain))
	}
}

// FuzzNumbers holds whole numbers to strconv, however they are written.
func FuzzNumbers(f *testing.F) {
	for _, seed := range []int64{0, -1, 10, 1000, 9223372036854775807, -9223372036854775808} {
		f.Add(seed, uint8(3))
	}
	f.Fuzz(func(t *testing.T, n int64, zeros uint8) {
		text := strconv.FormatInt(n, 10)
		zeros %= 30
		padding := strings.Repeat("0", int(zeros))
		if n == 0 { // JSON has no 00
			padding, zeros = "", 0
		}
		for _, same := range []string{
			text, text + ".0" + padding, text + padding + "e-" + strconv.Itoa(int(zeros)),
		} {
			if got := values(t, `{"n":`+same+`}`).Int("n", int(n)+1); int64(got) != n {
				t.Errorf("Int of %s = %d, want %d", same, got, n)
			}
		}
	})
}
