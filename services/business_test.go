// Package services holds the taxi business, one folder per tier and service, and
// here the tests of all of it together: from a request of the public API down to
// the core and back, over the in-memory bus.
package services

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/platformtest"
	"github.com/hansom-platform/hansom/services/api/v1/customer"
	"github.com/hansom-platform/hansom/services/api/v1/driver"
	"github.com/hansom-platform/hansom/services/core/city"
	"github.com/hansom-platform/hansom/services/core/eta"
	"github.com/hansom-platform/hansom/services/core/profile"
	"github.com/hansom-platform/hansom/services/core/routing"
	"github.com/hansom-platform/hansom/services/core/state"
	"github.com/hansom-platform/hansom/services/orchestration/neardrivers"
	"github.com/hansom-platform/hansom/services/sim"
)

// business is every service, started, by name.
type business map[string]*platform.Service

func start(env *platformtest.Env) business {
	log := platform.Logger(env.Logger())
	all := business{}
	for _, s := range []*platform.Service{
		city.Service(log), state.Service(log), routing.Service(log), eta.Service(log), profile.Service(log),
		neardrivers.Service(log), customer.Service(log), driver.Service(log),
	} {
		env.Start(s)
		all[s.Name()] = s
	}
	return all
}

// answer is what a customer's app reads.
type answer struct {
	City    string
	Drivers []struct {
		ID, Name, Vehicle string
		Lat, Lng          float64
		Distance          float64 `json:"distance_m"`
		ETA               float64 `json:"eta_s"`
	}
}

const charingCross = "/v1/customer/neardrivers?city=LON&lat=51.5074&lng=-0.1278"

func ask(t *testing.T, env *platformtest.Env) answer {
	t.Helper()
	w := env.HTTP("api.v1.customer").Get(t.Context(), charingCross)
	var a answer
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%s: want 200 and JSON, got %d %s", charingCross, w.Code, w.Body)
	}
	return a
}

// want204 checks the answer to a driver's request.
func want204(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	if w.Code != http.StatusNoContent {
		t.Fatalf("want 204, got %d %s", w.Code, w.Body)
	}
}

func wantProblem(t *testing.T, w *httptest.ResponseRecorder, status int, reason string) {
	t.Helper()
	var p fault.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != status || p.Reason != reason || p.RequestID == "" {
		t.Errorf("want %d %s with a request id, got %d %s", status, reason, w.Code, w.Body)
	}
}

func put(t *testing.T, env *platformtest.Env, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	env.HTTP("api.v1.driver").ServeHTTP(w, r)
	return w
}

func TestADriverIsFoundByName(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		start(env)
		if got := ask(t, env); got.City != "LON" || got.Drivers == nil || len(got.Drivers) != 0 {
			t.Errorf("before anybody reports: want LON and an empty list, got %+v", got)
		}
		phone := env.HTTP("api.v1.driver")
		want204(t, put(t, env, "/v1/driver/profile", `{"driver_id": "d1", "name": "Ada", "vehicle": "Black cab", "plate": "LX26 ABC"}`))
		want204(t, phone.Post(t.Context(), "/v1/driver/point",
			`{"driver_id": "d1", "city": "LON", "lat": 51.5164, "lng": -0.1278, "available": true, "heading": 90}`))
		want204(t, phone.Post(t.Context(), "/v1/driver/point",
			`{"driver_id": "d2", "city": "LON", "lat": 51.5083, "lng": -0.1278, "available": true}`))
		want204(t, phone.Post(t.Context(), "/v1/driver/point",
			`{"driver_id": "d3", "city": "LON", "lat": 51.5074, "lng": -0.1278, "available": false}`))

		got := ask(t, env).Drivers
		if len(got) != 2 || got[0].ID != "d2" || got[1].ID != "d1" {
			t.Fatalf("want d2, then d1, without the busy d3, got %+v", got)
		}
		if d := got[0]; d.Name != "Driver" || d.Distance != 100 {
			t.Errorf("d2: want no name, 100 m away, got %+v", d)
		}
		if d := got[1]; d.Name != "Ada" || d.Vehicle != "Black cab" || d.Distance != 1001 || d.ETA < 180 || d.ETA > 400 {
			t.Errorf("d1: want Ada in a black cab, 1001 m and a few minutes away, got %+v", d)
		}
	})
}

func TestWithoutProfilesCustomersAreServed(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		all := start(env)
		want204(t, env.HTTP("api.v1.driver").Post(t.Context(), "/v1/driver/point",
			`{"driver_id": "d1", "city": "LON", "lat": 51.5083, "lng": -0.1278, "available": true}`))
		env.Stop(all["core.profile"])
		if got := ask(t, env).Drivers; len(got) != 1 || got[0].Name != "Driver" {
			t.Errorf("want one driver without a name, got %+v", got)
		}
		env.Stop(all["core.eta"])
		w := env.HTTP("api.v1.customer").Get(t.Context(), charingCross)
		if w.Code != http.StatusServiceUnavailable {
			t.Errorf("without core.eta: want 503, got %d %s", w.Code, w.Body)
		}
	})
}

func TestMistakesAreSaidByWhoFindsThem(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		start(env)
		app, phone := env.HTTP("api.v1.customer"), env.HTTP("api.v1.driver")
		wantProblem(t, app.Get(t.Context(), "/v1/customer/neardrivers?city=XXX&lat=51.5&lng=-0.1"), 404, "core.city.read.unknown_city")
		wantProblem(t, app.Get(t.Context(), "/v1/customer/neardrivers?city=LON&lat=48.85&lng=2.35"), 400, "api.v1.outside_area")
		wantProblem(t, app.Get(t.Context(), "/v1/customer/neardrivers?city=LON&lat=x&lng=2.35"), 400, "api.v1.bad_parameter")
		wantProblem(t, app.Post(t.Context(), "/v1/customer/neardrivers", "{}"), 405, "api.v1.method_not_allowed")
		wantProblem(t, phone.Post(t.Context(), "/v1/driver/point", `{"driver_id": "d`), 400, "api.v1.broken_json")
		wantProblem(t, phone.Post(t.Context(), "/v1/driver/point",
			`{"driver_id": "d 1", "city": "LON", "lat": 51.5, "lng": -0.1, "available": true}`), 400, "core.state.report.bad_driver")
		wantProblem(t, phone.Post(t.Context(), "/v1/driver/point",
			`{"driver_id": "d1", "city": "LON", "lat": 51.5, "lng": -0.1, "available": true, "at": "2001-01-01T00:00:00Z"}`),
			400, "core.state.report.from_future") // the bubble's time begins in 2000
		wantProblem(t, put(t, env, "/v1/driver/profile", `{"driver_id": "d1", "name": " ", "vehicle": "v", "plate": "p"}`),
			400, "core.profile.write.bad_name")
	})
}

func TestSimulatedTaxisAreFound(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		start(env)
		taxis, err := sim.New(sim.Config{
			API: "http://api.test", Drivers: 50, Seed: 1, Logger: slog.New(slog.DiscardHandler),
			Client: &http.Client{Transport: env.HTTP("api.v1.driver")},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- taxis.Run(ctx) }()
		time.Sleep(time.Minute)
		got := ask(t, env).Drivers
		if len(got) != 10 {
			t.Errorf("want 10 taxis near Charing Cross, got %d", len(got))
		}
		for i, d := range got {
			if d.Name == "Driver" || d.ETA <= 0 || i > 0 && d.Distance < got[i-1].Distance {
				t.Errorf("taxi %d: want a name, a time, and nearest first, got %+v", i, d)
			}
		}
		if stats := taxis.Stats(); stats.Failures != 0 || stats.SignedOn != 50 {
			t.Errorf("want 50 taxis on duty and no failures, got %+v", stats)
		}
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: want nil at the end, got %v", err)
		}
		synctest.Wait()
		if left := ask(t, env).Drivers; len(left) != 0 {
			t.Errorf("after they signed off: want no taxis, got %+v", left)
		}
	})
}
