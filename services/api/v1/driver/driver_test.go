package driver

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hansom-platform/hansom/fault"
	profilepb "github.com/hansom-platform/hansom/proto/taxi/profile"
	statepb "github.com/hansom-platform/hansom/proto/taxi/state"
	"github.com/hansom-platform/hansom/services/api/v1/edge"
)

// everywhere is a city lookup for which every point is in its city.
type everywhere struct{}

func (everywhere) Covers(context.Context, string, float64, float64) error { return nil }

func send(h http.Handler, method, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, "/v1/driver/x", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	h.ServeHTTP(w, r)
	return w
}

// post sends a point and returns what core.state was told.
func post(body string) (w *httptest.ResponseRecorder, told *statepb.Position) {
	p := &points{everywhere{}, func(_ context.Context, r *statepb.ReportRequest) (*statepb.ReportResponse, error) {
		told = r.Position
		return new(statepb.ReportResponse), nil
	}}
	return send(edge.Methods(map[string]edge.Handler{http.MethodPost: p.post}), http.MethodPost, body), told
}

func TestAPointIsPassedOn(t *testing.T) {
	w, told := post(`{"driver_id": "d1", "city": "LON", "lat": 51.5, "lng": -0.12, "heading": 90,
		"available": true, "at": "2026-06-01T13:00:00.5+01:00"}`)
	want := &statepb.Position{
		Driver: "d1", City: "LON", Lat: 51.5, Lng: -0.12, Heading: 90, Available: true,
		At: timestamppb.New(time.Date(2026, 6, 1, 12, 0, 0, 500e6, time.UTC)),
	}
	if diff := cmp.Diff(want, told, protocmp.Transform()); diff != "" || w.Code != 204 || w.Body.Len() != 0 {
		t.Errorf("want 204 without a body, got %d %s (-want +got)\n%s", w.Code, w.Body, diff)
	}
}

func TestAPointWithoutATimeIsOfNow(t *testing.T) {
	before := time.Now()
	_, told := post(`{"driver_id": "d1", "city": "LON", "lat": 0, "lng": 0, "available": false}`)
	if at := told.GetAt().AsTime(); at.Before(before) || at.After(time.Now()) {
		t.Errorf("want the time of the request, got %s", at)
	}
}

func wantNamed(t *testing.T, w *httptest.ResponseRecorder, body, names string) {
	t.Helper()
	var p fault.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != 400 || !strings.HasPrefix(p.Detail, names+": ") {
		t.Errorf("%s: want 400 naming %s, got %d %s", body, names, w.Code, w.Body)
	}
}

func TestAWrongPointIsNamed(t *testing.T) {
	for body, names := range map[string]string{
		`{}`:                 "driver_id",
		`null`:               "driver_id",
		`{"driver_id": "d"}`: "city",
		`{"driver_id": "d", "city": "LON", "lng": 0, "available": true}`:                                  "lat",
		`{"driver_id": "d", "city": "LON", "lat": 0, "available": true}`:                                  "lng",
		`{"driver_id": "d", "city": "LON", "lat": 0, "lng": 0}`:                                           "available",
		`{"driver_id": "d", "city": "LON", "lat": 91, "lng": 0, "available": true}`:                       "lat",
		`{"driver_id": "d", "city": "LON", "lat": 0, "lng": -181, "available": true}`:                     "lng",
		`{"driver_id": "d", "city": "LON", "lat": 0, "lng": 0, "available": true, "at": "noon"}`:          "at",
		`{"driver_id": 5, "city": "LON", "lat": 0, "lng": 0, "available": true}`:                          "driver_id",
		`{"driver_id": "d", "city": "LON", "lat": "0", "lng": 0, "available": true}`:                      "lat",
		`{"driver_id": "d", "city": "LON", "lat": 0, "lng": 0, "available": 1}`:                           "available",
		`{"driver_id": "d", "city": "LON", "lat": 0, "lng": 0, "available": true, "heading": "N"}`:        "heading",
		`{"driver_id": "d", "city": "LON", "lat": 0, "lng": 0, "available": true, "speed": 3}`:            `"speed"`,
		`{"driver_id": "d", "city": "LON", "lat": 0, "lng": 0, "available": true, "at": "2026-13-01T0Z"}`: "at",
	} {
		w, told := post(body)
		wantNamed(t, w, body, names)
		if told != nil {
			t.Errorf("%s: want core.state left alone, it was told %v", body, told)
		}
	}
}

// put sends a profile and returns what core.profile was told.
func put(body string) (w *httptest.ResponseRecorder, told *profilepb.Driver) {
	p := &profiles{func(_ context.Context, r *profilepb.WriteRequest) (*profilepb.WriteResponse, error) {
		told = r.Driver
		return new(profilepb.WriteResponse), nil
	}}
	return send(edge.Methods(map[string]edge.Handler{http.MethodPut: p.put}), http.MethodPut, body), told
}

func TestAProfileIsPassedOn(t *testing.T) {
	w, told := put(`{"driver_id": "d1", "name": "Ada", "vehicle": "Black cab", "plate": "LX26 ABC"}`)
	want := &profilepb.Driver{Id: "d1", Name: "Ada", Vehicle: "Black cab", Plate: "LX26 ABC"}
	if diff := cmp.Diff(want, told, protocmp.Transform()); diff != "" || w.Code != 204 {
		t.Errorf("want 204, got %d %s (-want +got)\n%s", w.Code, w.Body, diff)
	}
}

func TestAWrongProfileIsNamed(t *testing.T) {
	for body, names := range map[string]string{
		`{"name": "Ada", "vehicle": "v", "plate": "p"}`:                                 "driver_id",
		`{"driver_id": "d", "vehicle": "v", "plate": "p"}`:                              "name",
		`{"driver_id": "d", "name": "Ada", "plate": "p"}`:                               "vehicle",
		`{"driver_id": "d", "name": "Ada", "vehicle": "v"}`:                             "plate",
		`{"driver_id": "d", "name": "Ada", "vehicle": ["v"], "plate": "p"}`:             "vehicle",
		`{"driver_id": "d", "name": "Ada", "vehicle": "v", "plate": "p", "revision":1}`: `"revision"`,
	} {
		w, told := put(body)
		wantNamed(t, w, body, names)
		if told != nil {
			t.Errorf("%s: want core.profile left alone, it was told %v", body, told)
		}
	}
}

func FuzzPoint(f *testing.F) {
	f.Add(`{"driver_id": "d1", "city": "LON", "lat": 51.5, "lng": -0.12, "heading": 90, "available": true, "at": "2026-06-01T12:00:00Z"}`)
	f.Add(`{"driver_id": "d", "city": "LON", "lat": 1e308, "lng": 0, "available": true}`)
	f.Add(`{"at": "0000-01-01T00:00:00Z"}`)
	f.Fuzz(func(t *testing.T, body string) {
		w, told := post(body)
		switch {
		case w.Code == 204 && told != nil && math.Abs(told.Lat) <= 90 && math.Abs(told.Lng) <= 180:
		case w.Code == 400 || w.Code == 413:
		default:
			t.Errorf("%q: want 204 with a point on Earth, 400 or 413, got %d %s", body, w.Code, w.Body)
		}
	})
}
