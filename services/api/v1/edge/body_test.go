package edge

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hansom-platform/hansom/fault"
)

type ride struct {
	ID   string  `json:"id"`
	Seat int     `json:"seat"`
	Lat  float64 `json:"lat"`
}

func decode(contentType, body string) (ride, error) {
	r := httptest.NewRequest(http.MethodPost, "/x", strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	var into ride
	err := Decode(r, &into)
	return into, err
}

// refusalOf returns err as a refusal, one of status 0 where it is none.
func refusalOf(err error) *refusal {
	r := &refusal{fault: new(fault.Error)}
	errors.As(err, &r)
	return r
}

func TestDecodeReadsAnObject(t *testing.T) {
	for _, kind := range []string{"application/json", "Application/JSON; charset=utf-8"} {
		got, err := decode(kind, ` {"id": "a", "seat": 2} `)
		if want := (ride{ID: "a", Seat: 2}); err != nil || got != want {
			t.Errorf("%s: want %+v, got %+v, %v", kind, want, got, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	large := `{"id": "` + strings.Repeat("a", MaxBody) + `"}`
	for _, c := range []struct {
		kind, body string
		status     int
		reason     string
		names      string
	}{
		{"text/plain", `{}`, 415, "not_json", "application/json"},
		{"", `{}`, 415, "not_json", "application/json"},
		{"application/json", large, 413, "body_too_large", "16384"},
		{"application/json", ``, 400, "broken_json", "empty"},
		{"application/json", `{"id": `, 400, "broken_json", "ends inside"},
		{"application/json", `{"id" "a"}`, 400, "broken_json", "byte 7"},
		{"application/json", `{"seat": "two"}`, 400, "bad_field", "seat: is a string"},
		{"application/json", `{"seat": 1.5}`, 400, "bad_field", "seat: is a number 1.5"},
		{"application/json", `{"lat": 1e999}`, 400, "bad_field", "lat: is a number 1e999"},
		{"application/json", `[1]`, 400, "bad_field", "want an object"},
		{"application/json", `{"id": "a", "colour": "red"}`, 400, "unknown_field", `"colour"`},
		{"application/json", `{"id": "a", "Seat": 1}`, 400, "unknown_field", `"Seat"`},
		{"application/json", `{"id": "a", "id": "a"}`, 400, "bad_field", "id: is given twice"},
		{"application/json", `{"lat": "51"}`, 400, "bad_field", "want a number"},
		{"application/json", `{"id": 1}`, 400, "bad_field", "want a string"},
		{"application/json", `{"id": "a"} {}`, 400, "trailing_data", "after"},
		{"application/json", `{"id": "a"}]`, 400, "trailing_data", "after"},
	} {
		_, err := decode(c.kind, c.body)
		r := refusalOf(err)
		if r.status != c.status || fault.ReasonOf(err) != "api.v1."+c.reason || !strings.Contains(err.Error(), c.names) {
			t.Errorf("%s %.60s: want %d %s naming %q, got %v", c.kind, c.body, c.status, c.reason, c.names, err)
		}
	}
}

func TestNullIsNoObjectButHarmless(t *testing.T) {
	got, err := decode("application/json", "null")
	if err != nil || got != (ride{}) {
		t.Errorf("null: want nothing set, so that required fields are missed, got %+v, %v", got, err)
	}
}

func TestInvalidUTF8IsReplaced(t *testing.T) {
	got, err := decode("application/json", "{\"id\": \"a\xff\"}")
	if want := (ride{ID: "a\uFFFD"}); err != nil || got != want {
		t.Errorf("want %+v, as encoding/json does, got %+v, %v", want, got, err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{"id":"a"}`, `{`, ``, `[]`, `{"seat":1e9}`, `{"id":"a"}x`, `{"\ud800":1}`, "\xff", `{"lat":-0}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		_, err := decode("application/json", body)
		if err == nil {
			return
		}
		r := refusalOf(err)
		if r.status != 400 && r.status != 413 || len(r.fault.Message) > 1000 {
			t.Errorf("%q: want a short 400 or 413, got %v", body, err)
		}
	})
}
