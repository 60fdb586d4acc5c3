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
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
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

// grants are those of the demo: which service may call which endpoint of another.
var grants = [][3]string{
	{"api.v1.driver", "core.state", "report"},
	{"core.state", "core.state", "dump"},
	{"orchestration.neardrivers", "core.profile", "read"},
	{"api.v1.driver", "core.profile", "write"},
	{"core.profile", "core.profile", "dump"},
}

func start(env *platformtest.Env) business {
	for _, g := range grants {
		env.Grant(g[0], g[1], g[2])
	}
	configure(env)
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

// configure stands in for kernel.config, which has the cities of a new environment.
func configure(env *platformtest.Env) {
	platformtest.Fake(env, configpb.ConfigList, func(context.Context, *configpb.ListRequest) (*configpb.ListResponse, error) {
		response := &configpb.ListResponse{Revision: 1}
		for id, text := range city.Seed() {
			response.Documents = append(response.Documents, &configpb.Document{Id: id, Json: text, Revision: 1})
		}
		return response, nil
	})
}

// Contexts of requests by users.
func asCustomer(t *testing.T, env *platformtest.Env) context.Context {
	return env.As(t.Context(), "c1", "CUSTOMER")
}

func asDriver(t *testing.T, env *platformtest.Env, id string) context.Context {
	return env.As(t.Context(), id, "DRIVER")
}

func asFleet(t *testing.T, env *platformtest.Env) context.Context {
	return env.As(t.Context(), "fleet", "FLEET")
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
	w := env.HTTP("api.v1.customer").Get(asCustomer(t, env), charingCross)
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

func put(ctx context.Context, env *platformtest.Env, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, http.MethodPut, path, strings.NewReader(body))
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
		phone, fleet := env.HTTP("api.v1.driver"), asFleet(t, env)
		want204(t, put(asDriver(t, env, "d1"), env, "/v1/driver/profile", `{"driver_id": "d1", "name": "Ada", "vehicle": "Black cab", "plate": "LX26 ABC"}`))
		want204(t, phone.Post(fleet, "/v1/driver/point",
			`{"driver_id": "d1", "city": "LON", "lat": 51.5164, "lng": -0.1278, "available": true, "heading": 90}`))
		want204(t, phone.Post(fleet, "/v1/driver/point",
			`{"driver_id": "d2", "city": "LON", "lat": 51.5083, "lng": -0.1278, "available": true}`))
		want204(t, phone.Post(fleet, "/v1/driver/point",
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
		want204(t, env.HTTP("api.v1.driver").Post(asFleet(t, env), "/v1/driver/point",
			`{"driver_id": "d1", "city": "LON", "lat": 51.5083, "lng": -0.1278, "available": true}`))
		env.Stop(all["core.profile"])
		if got := ask(t, env).Drivers; len(got) != 1 || got[0].Name != "Driver" {
			t.Errorf("want one driver without a name, got %+v", got)
		}
		env.Stop(all["core.eta"])
		w := env.HTTP("api.v1.customer").Get(asCustomer(t, env), charingCross)
		if w.Code != http.StatusServiceUnavailable {
			t.Errorf("without core.eta: want 503, got %d %s", w.Code, w.Body)
		}
	})
}

func TestMistakesAreSaidByWhoFindsThem(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		start(env)
		app, phone := env.HTTP("api.v1.customer"), env.HTTP("api.v1.driver")
		customer, fleet := asCustomer(t, env), asFleet(t, env)
		wantProblem(t, app.Get(customer, "/v1/customer/neardrivers?city=XXX&lat=51.5&lng=-0.1"), 404, "core.city.read.unknown_city")
		wantProblem(t, app.Get(customer, "/v1/customer/neardrivers?city=LON&lat=48.85&lng=2.35"), 400, "api.v1.outside_area")
		wantProblem(t, app.Get(customer, "/v1/customer/neardrivers?city=LON&lat=x&lng=2.35"), 400, "api.v1.bad_parameter")
		wantProblem(t, app.Post(customer, "/v1/customer/neardrivers", "{}"), 405, "api.v1.method_not_allowed")
		wantProblem(t, phone.Post(fleet, "/v1/driver/point", `{"driver_id": "d`), 400, "api.v1.broken_json")
		wantProblem(t, phone.Post(fleet, "/v1/driver/point",
			`{"driver_id": "d 1", "city": "LON", "lat": 51.5, "lng": -0.1, "available": true}`), 400, "core.state.report.bad_driver")
		wantProblem(t, phone.Post(fleet, "/v1/driver/point",
			`{"driver_id": "d1", "city": "LON", "lat": 51.5, "lng": -0.1, "available": true, "at": "2001-01-01T00:00:00Z"}`),
			400, "core.state.report.from_future") // the bubble's time begins in 2000
		wantProblem(t, put(fleet, env, "/v1/driver/profile", `{"driver_id": "d1", "name": " ", "vehicle": "v", "plate": "p"}`),
			400, "core.profile.write.bad_name")
	})
}

func TestSimulatedTaxisAreFound(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		start(env)
		login := serveLogin(env)
		taxis, err := sim.New(sim.Config{
			API: "http://api.test", Drivers: 50, Seed: 1, Logger: slog.New(slog.DiscardHandler),
			Identifier: "fleet", Password: "secret",
			Client: &http.Client{Transport: &edge{env, env.HTTP("api.v1.driver")}},
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
		if login.opened != 1 || login.open["driver/fleet"] != "" {
			t.Errorf("%d logins, %v still open: want one, and that it was logged out", login.opened, login.open)
		}
		if left := ask(t, env).Drivers; len(left) != 0 {
			t.Errorf("after they signed off: want no taxis, got %+v", left)
		}
	})
}
