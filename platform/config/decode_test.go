package config_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/fault"
)

type limits struct {
	Open int           `json:"open"`
	Life time.Duration `json:"life"`
}

type settings struct {
	limits
	Address  string                   `json:"address"`
	Timeout  time.Duration            `json:"timeout"`
	Optional *time.Duration           `json:"optional"`
	Pauses   []time.Duration          `json:"pauses"`
	Named    map[string]time.Duration `json:"named"`
	Nested   []limits                 `json:"nested"`
	Since    time.Time                `json:"since"`
	Any      any                      `json:"any"`
	Number   int64                    `json:"number"`
	NoTag    time.Duration
}

func TestDecode(t *testing.T) {
	v := values(t, `{"adapters": {"x": {
		"address": "db:5432", "timeout": "50ms", "optional": "1s", "pauses": ["1ms", "2ms"], "named": {"a": "3ms"},
		"nested": [{"open": 1, "life": "1h"}], "open": 7, "life": "2h", "since": "2026-01-02T03:04:05Z", "any": "4ms",
		"number": 9007199254740993, "notag": "5ms"
	}}}`)
	got := settings{Address: "default", limits: limits{Open: 1}}
	if err := v.Decode("adapters.x", &got); err != nil {
		t.Fatal(err)
	}
	second := time.Second
	want := settings{
		limits: limits{Open: 7, Life: 2 * time.Hour}, Address: "db:5432", Timeout: 50 * time.Millisecond, Optional: &second,
		Pauses: []time.Duration{time.Millisecond, 2 * time.Millisecond}, Named: map[string]time.Duration{"a": 3 * time.Millisecond},
		Nested: []limits{{1, time.Hour}}, Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Any: "4ms",
		Number: 9007199254740993, NoTag: 5 * time.Millisecond,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestDecodeKeepsDefaults(t *testing.T) {
	v := values(t, `{"x": {"address": "db"}, "null": null}`)
	for key, address := range map[string]string{"missing": "default", "null": "default", "x": "db"} {
		got := settings{Address: "default", Timeout: time.Second}
		if err := v.Decode(key, &got); err != nil || got.Address != address || got.Timeout != time.Second {
			t.Errorf("Decode(%q) = %v, %+v; want address %q and the timeout of 1 s", key, err, got, address)
		}
	}
}

func TestDecodeIsStrictAndShowsNoValue(t *testing.T) {
	for member, says := range map[string]string{
		`"colour": "hunter2"`:                      `no setting "colour"`,
		`"number": "hunter2"`:                      "number takes a int64 and has a string",
		`"open": 31415926535897932384`:             "open takes a int and has a number",
		`"address": {"hunter2": 1}`:                "address takes a string and has a object",
		`"timeout": 31415`:                         "x.timeout cannot be used: it takes a duration",
		`"timeout": "hunter2"`:                     "x.timeout cannot be used: it takes a duration",
		`"pauses": ["1s", "hunter2"]`:              "x.pauses.1 cannot be used: it takes a duration",
		`"nested": [{"life": "hunter2"}]`:          "x.nested.0.life cannot be used: it takes a duration",
		`"since": "hunter2"`:                       "a type refuses its value",
		`"nested": [{"open": 1, "unknown": true}]`: `no setting "unknown"`,
	} {
		var got settings
		err := values(t, `{"x": {`+member+`}}`).Decode("x", &got)
		if !fault.Is(err, fault.BadRequest) || !strings.Contains(err.Error(), says) {
			t.Errorf("Decode of {%s} = %v, want BAD_REQUEST with %q", member, err, says)
		}
		if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "31415")) {
			t.Errorf("the error of {%s} shows the value: %v", member, err)
		}
	}
}

func TestDecodeIntoNoPointer(t *testing.T) {
	if err := values(t, `{"x": {}}`).Decode("x", settings{}); !fault.Is(err, fault.Internal) {
		t.Errorf("Decode into a struct = %v, want INTERNAL: a mistake of the program", err)
	}
}
