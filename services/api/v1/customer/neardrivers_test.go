package customer

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hansom-platform/hansom/fault"
	neardriverspb "github.com/hansom-platform/hansom/proto/taxi/neardrivers"
	"github.com/hansom-platform/hansom/services/api/v1/edge"
)

// everywhere is a city lookup for which every point is in its city.
type everywhere struct{}

func (everywhere) Covers(context.Context, string, float64, float64) error { return nil }

// ask sends a query; find answers with two drivers, and found is what it was asked.
func ask(query string) (w *httptest.ResponseRecorder, found *neardriverspb.FindRequest) {
	n := &nearDrivers{everywhere{}, func(_ context.Context, r *neardriverspb.FindRequest) (*neardriverspb.FindResponse, error) {
		found = r
		if r.City == "DUB" {
			return new(neardriverspb.FindResponse), nil
		}
		return &neardriverspb.FindResponse{Drivers: []*neardriverspb.Driver{
			{Id: "a", Name: "Ada", Vehicle: "Black cab", Lat: 51.50000049, Lng: -0.12345678, DistanceM: 99.5, EtaS: 60.4},
			{Id: "b", Name: "Driver", Lat: 51, Lng: -0.1, DistanceM: 1000.2, EtaS: 120},
		}}, nil
	}}
	w = httptest.NewRecorder()
	edge.Get(n.list).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/customer/neardrivers?"+query, nil))
	return w, found
}

func TestTheAnswerIsRounded(t *testing.T) {
	w, _ := ask("city=LON&lat=51.5074&lng=-0.1278")
	const want = `{"city":"LON","drivers":[` +
		`{"id":"a","name":"Ada","vehicle":"Black cab","lat":51.5,"lng":-0.123457,"distance_m":100,"eta_s":60},` +
		`{"id":"b","name":"Driver","vehicle":"","lat":51,"lng":-0.1,"distance_m":1000,"eta_s":120}]}`
	if got := strings.TrimSpace(w.Body.String()); w.Code != 200 || got != want {
		t.Errorf("want 200\n%s, got %d\n%s", want, w.Code, got)
	}
}

func TestNoDriversIsAnEmptyList(t *testing.T) {
	w, _ := ask("city=DUB&lat=53.3&lng=-6.2")
	if got, want := strings.TrimSpace(w.Body.String()), `{"city":"DUB","drivers":[]}`; w.Code != 200 || got != want {
		t.Errorf("want 200 %s, got %d %s", want, w.Code, got)
	}
}

func TestTheQueryIsPassedOn(t *testing.T) {
	_, got := ask("city=LON&lat=51.5074&lng=-0.1278&limit=7&utm_source=poster")
	if got == nil || got.City != "LON" || got.Lat != 51.5074 || got.Lng != -0.1278 || got.Limit != 7 {
		t.Errorf("want the query's values, got %v", got)
	}
}

func TestAWrongQueryIsNamed(t *testing.T) {
	for query, names := range map[string]string{
		"lat=1&lng=1":                         "city: is missing",
		"city=&lat=1&lng=1":                   "city: is missing",
		"city=LON&lng=1":                      "lat: is missing",
		"city=LON&lat=1":                      "lng: is missing",
		"city=LON&lat=north&lng=1":            `lat: "north"`,
		"city=LON&lat=NaN&lng=1":              `lat: "NaN"`,
		"city=LON&lat=Inf&lng=1":              `lat: "Inf"`,
		"city=LON&lat=90.1&lng=1":             "lat: ",
		"city=LON&lat=1&lng=-180.5":           "lng: ",
		"city=LON&lat=1&lng=1&lng=2":          "lng: is given 2 times",
		"city=LON&lat=1&lng=1&limit=0":        "limit: ",
		"city=LON&lat=1&lng=1&limit=51":       "limit: ",
		"city=LON&lat=1&lng=1&limit=ten":      "limit: ",
		"city=LON&lat=1&lng=1&limit=":         "limit: is missing",
		"city=LON&lat=%zz&lng=1":              "the query cannot be read",
		"city=LON&lat=1&lng=1&limit=99999999": "limit: ",
	} {
		w, found := ask(query)
		var p fault.Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != 400 || !strings.Contains(p.Detail, names) {
			t.Errorf("%s: want 400 naming %q, got %d %s", query, names, w.Code, w.Body)
		}
		if found != nil {
			t.Errorf("%s: want orchestration.neardrivers left alone, it was asked %v", query, found)
		}
	}
}
