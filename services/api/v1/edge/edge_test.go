package edge

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/proto/rpc"
	citypb "github.com/hansom-platform/hansom/proto/taxi/city"
)

// cityCaller is a core.city that knows London.
type cityCaller struct{}

func (cityCaller) Call(_ context.Context, _ *rpc.Endpoint, request, response proto.Message) error {
	if request.(*citypb.ReadRequest).Code != "LON" {
		return fault.New(fault.NotFound, "core.city.read.unknown_city", "there is no such city; the cities are LON")
	}
	response.(*citypb.ReadResponse).City = &citypb.Details{
		Code: "LON", Name: "London", Lat: 51.5074, Lng: -0.1278, RadiusM: 25000, SpeedMps: 7.5, Timezone: "Europe/London",
	}
	return nil
}

// serve sends one request to h.
func serve(h http.Handler, method, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, target, nil)
	r.Header.Set("X-Request-Id", "0123")
	h.ServeHTTP(w, r)
	return w
}

// wantProblem checks that w is a problem with the status and reason, whose detail
// begins as given.
func wantProblem(t *testing.T, w *httptest.ResponseRecorder, status int, reason, detail string) {
	t.Helper()
	var p fault.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Header().Get("Content-Type") != fault.ProblemType {
		t.Fatalf("want a problem, got %d %s %s", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	if w.Code != status || p.Status != status || p.Reason != reason || !strings.HasPrefix(p.Detail, detail) {
		t.Errorf("want %d %s %q, got %d %+v", status, reason, detail, w.Code, p)
	}
	if p.RequestID != "0123" {
		t.Errorf("want the request's id, got %q", p.RequestID)
	}
}

func TestAWrongMethodIsToldWhichAreRight(t *testing.T) {
	w := serve(Get(NewCities(cityCaller{}).Show), http.MethodPost, "/v1/driver/city?city=LON")
	wantProblem(t, w, 405, "api.v1.method_not_allowed", "/v1/driver/city takes GET, HEAD")
	if got := w.Header().Get("Allow"); got != "GET, HEAD" {
		t.Errorf("Allow: want %q, got %q", "GET, HEAD", got)
	}
}

func TestNothingIsBelowAnEndpoint(t *testing.T) {
	for _, path := range []string{"/v1/driver/city/", "/v1/driver/city/x"} {
		w := serve(Get(NewCities(cityCaller{}).Show), http.MethodGet, path+"?city=LON")
		wantProblem(t, w, 404, "api.v1.no_such_path", "nothing is at \""+path)
	}
}

func TestNumbersAreDecimal(t *testing.T) {
	for text, want := range map[string]bool{
		"51": true, "-0.5": true, ".5": true, "5.": true, "%2B5": true, "5e1": true,
		"0x1p5": false, "5_1": false, "NaN": false, "inf": false, "1e999": false, "5,1": false, "%205": false, "٣": false, "%ff": false,
	} {
		r := httptest.NewRequest(http.MethodGet, "/x?lat="+text, nil)
		q := QueryOf(r)
		q.Number("lat", -90, 90)
		if got := q.Err() == nil; got != want {
			t.Errorf("lat=%s: taken %t (%v), want %t", text, got, q.Err(), want)
		}
	}
}

func TestHeadIsAnsweredAsGet(t *testing.T) {
	if w := serve(Get(NewCities(cityCaller{}).Show), http.MethodHead, "/v1/driver/city?city=LON"); w.Code != 200 {
		t.Errorf("HEAD: want 200, got %d", w.Code)
	}
}

func TestShowAnswersTheCitysDetails(t *testing.T) {
	w := serve(Get(NewCities(cityCaller{}).Show), http.MethodGet, "/v1/driver/city?city=LON")
	const want = `{"code":"LON","name":"London","lat":51.5074,"lng":-0.1278,"radius_m":25000,"speed_mps":7.5,"timezone":"Europe/London"}`
	if got := strings.TrimSpace(w.Body.String()); w.Code != 200 || got != want {
		t.Errorf("want 200 %s, got %d %s", want, w.Code, got)
	}
}

func TestAnUnknownCityIsCoreCitysNotFound(t *testing.T) {
	w := serve(Get(NewCities(cityCaller{}).Show), http.MethodGet, "/v1/driver/city?city=XXX")
	wantProblem(t, w, 404, "core.city.read.unknown_city", "there is no such city")
}

func TestAPointMustBeInTheArea(t *testing.T) {
	cities := NewCities(cityCaller{})
	if err := cities.Covers(t.Context(), "LON", 51.47, -0.4543); err != nil {
		t.Errorf("Heathrow, 23 km out: want it in London's area, got %v", err)
	}
	err := cities.Covers(t.Context(), "LON", 48.8566, 2.3522)
	if fault.ReasonOf(err) != "api.v1.outside_area" {
		t.Errorf("Paris: want api.v1.outside_area, got %v", err)
	}
}

func TestFaultsKeepTheirReasonAndHideTheirDetail(t *testing.T) {
	h := Get(func(*http.Request) (any, error) {
		return nil, fault.New(fault.Unavailable, "core.eta.away", "come back later").WithDetail("10.0.0.1 is down")
	})
	w := serve(h, http.MethodGet, "/x")
	wantProblem(t, w, 503, "core.eta.away", "come back later")
	if strings.Contains(w.Body.String(), "10.0.0.1") {
		t.Errorf("want the operator's detail left out, got %s", w.Body)
	}
}

func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"", "city=LON&lat=51.5&lng=-0.12&limit=3", "lat=NaN", "lat=%zz", "lat=1&lat=2", "lat=1e400", "limit=-1", "a;b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		r := httptest.NewRequest(http.MethodGet, "/x", nil)
		r.URL.RawQuery = raw
		q := QueryOf(r)
		city, lat, limit := q.Text("city"), q.Number("lat", -90, 90), q.Count("limit", 50)
		if err := q.Err(); err != nil {
			if status := refusalOf(err).status; status != 400 || len(err.Error()) > 1000 {
				t.Errorf("%q: want a short 400, got %d %v", raw, status, err)
			}
			return
		}
		if city == "" || !(-90 <= lat && lat <= 90) || limit > 50 {
			t.Errorf("%q: want what was taken in its limits, got %q %g %d", raw, city, lat, limit)
		}
	})
}
