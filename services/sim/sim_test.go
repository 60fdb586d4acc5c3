package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// api is an API in memory, in virtual time.
type api struct {
	mu       sync.Mutex
	away     bool // connections are refused
	unknown  bool // there is no such city
	requests int  // while it was away
	lat      float64
	profiles map[string]int
	points   map[string][]point
}

func newAPI() *api {
	return &api{lat: 51.5074, profiles: map[string]int{}, points: map[string][]point{}}
}

func (a *api) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.away {
		a.requests++
		return nil, errors.New("connection refused")
	}
	body := []byte("{}")
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /v1/driver/city":
		if a.unknown {
			return answer(404, `{"code": "NOT_FOUND", "reason": "core.city.read.unknown_city", "detail": "there is no city XXX"}`), nil
		}
		return answer(200, fmt.Sprintf(`{"code": "LON", "lat": %g, "lng": -0.1278, "radius_m": 25000, "speed_mps": 7.5}`, a.lat)), nil
	case "PUT /v1/driver/profile":
		var d driver
		if err := json.Unmarshal(body, &d); err != nil {
			return nil, err
		}
		a.profiles[d.ID]++
	case "POST /v1/driver/point":
		var p point
		if err := json.Unmarshal(body, &p); err != nil {
			return nil, err
		}
		if a.profiles[p.Driver] == 0 {
			return answer(409, `{"detail": "sign on first"}`), nil
		}
		a.points[p.Driver] = append(a.points[p.Driver], p)
	default:
		return answer(404, `{}`), nil
	}
	return answer(204, ""), nil
}

func answer(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{}}
}

func (a *api) set(away bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.away = away
}

// simulate starts a fleet against a, inside a bubble, and returns how to stop it.
func simulate(t *testing.T, a *api, drivers int) (s *Sim, stop func()) {
	t.Helper()
	s, err := New(Config{
		API: "http://api.test", Drivers: drivers, Seed: 1,
		Client: &http.Client{Transport: a}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return s, func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: want nil at the end, got %v", err)
			}
		case <-time.After(signOffLimit + time.Second):
			t.Errorf("want Run to return within %s, it still runs", signOffLimit)
		}
	}
}

func TestEveryTaxiReportsEveryFewSeconds(t *testing.T) {
	a := newAPI()
	synctest.Test(t, func(t *testing.T) {
		s, stop := simulate(t, a, 20)
		time.Sleep(5*time.Second + time.Minute)
		if got := s.Stats(); got.SignedOn != 20 || got.Failures != 0 {
			t.Errorf("want 20 taxis signed on and no failures, got %+v", got)
		}
		stop()
		if len(a.points) != 20 {
			t.Errorf("want points of 20 taxis, got %d", len(a.points))
		}
		for id, points := range a.points {
			if n := len(points); n < 11 || n > 16 {
				t.Errorf("%s: want about 13 reports in a minute, got %d", id, n)
			}
			if last := points[len(points)-1]; last.Available {
				t.Errorf("%s: want it signed off at the end, got it available", id)
			}
		}
	})
}

func TestStartsAreSpread(t *testing.T) {
	a := newAPI()
	synctest.Test(t, func(t *testing.T) {
		s, stop := simulate(t, a, 100)
		time.Sleep(2500 * time.Millisecond)
		if got := s.Stats().SignedOn; got < 40 || got > 60 {
			t.Errorf("after half the interval: want about 50 of 100 taxis, got %d", got)
		}
		stop()
	})
}

func TestAFleetComesBackAfterTheAPIWasAway(t *testing.T) {
	a := newAPI()
	synctest.Test(t, func(t *testing.T) {
		s, stop := simulate(t, a, 10)
		time.Sleep(30 * time.Second)
		a.set(true)
		time.Sleep(10 * time.Minute)
		if got := s.Stats().SignedOn; got != 0 {
			t.Errorf("while the API is away: want nobody on duty, got %d", got)
		}
		if perTaxi := a.requests / 10; perTaxi > 40 {
			t.Errorf("in ten minutes without the API: want at most 40 attempts per taxi, got %d", perTaxi)
		}
		a.set(false)
		time.Sleep(maxPause)
		if got := s.Stats().SignedOn; got != 10 {
			t.Errorf("once the API is back: want 10 on duty within %s, got %d", maxPause, got)
		}
		stop()
		for id, times := range a.profiles {
			if times != 2 {
				t.Errorf("%s: want it to sign on again after, got %d sign-ons", id, times)
			}
		}
	})
}

func TestRunWaitsForAnAPIThatIsNotUpYet(t *testing.T) {
	a := newAPI()
	a.away = true
	synctest.Test(t, func(t *testing.T) {
		s, stop := simulate(t, a, 3)
		time.Sleep(time.Second)
		a.set(false)
		time.Sleep(10 * time.Second)
		if got := s.Stats().SignedOn; got != 3 {
			t.Errorf("want 3 on duty, got %d", got)
		}
		stop()
	})
}

func TestStoppingDoesNotWaitForAnAPIThatIsAway(t *testing.T) {
	a := newAPI()
	synctest.Test(t, func(t *testing.T) {
		_, stop := simulate(t, a, 3)
		time.Sleep(10 * time.Second)
		a.set(true)
		time.Sleep(time.Minute)
		stop()
	})
}

func TestAnUnknownCityEndsTheRun(t *testing.T) {
	a := newAPI()
	a.unknown = true
	s, err := New(Config{API: "http://api.test", City: "XXX", Client: &http.Client{Transport: a}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "there is no city XXX") {
		t.Errorf("want an error with what the API said, got %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, c := range map[string]Config{
		"no URL":            {},
		"no scheme":         {API: "localhost:8080"},
		"too many drivers":  {API: "http://localhost", Drivers: maxDrivers + 1},
		"negative interval": {API: "http://localhost", Interval: -1},
		"negative fleet":    {API: "http://localhost", Drivers: -1},
		"not HTTP":          {API: "ftp://localhost"},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s: want an error, got none", name)
		}
	}
}

func TestPointsAreInTheCity(t *testing.T) {
	taxi := newTaxi(1, 0, london)
	taxi.at = spot{east: 10_000, north: -5_000}
	p := taxi.point(driver{ID: "d"}, true)
	if math.Abs(p.Lat-51.46243) > 1e-4 || math.Abs(p.Lng-0.01669) > 1e-4 {
		t.Errorf("10 km east, 5 km south of Charing Cross: want about 51.46243, 0.01669, got %g, %g", p.Lat, p.Lng)
	}
}

// guarded is an API that asks for a session, which ends after a while.
type guarded struct {
	*api
	password string
	logins   int
	logouts  int
	session  string // the only one that is good
	bodies   []login
}

func (g *guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	g.mu.Lock()
	if !g.away && r.URL.Path == pathLogin {
		defer g.mu.Unlock()
		var l login
		if err := json.NewDecoder(r.Body).Decode(&l); err != nil {
			return nil, err
		}
		g.logins++
		g.bodies = append(g.bodies, l)
		if l.Password != g.password {
			return answer(401, `{"code": "UNAUTHORIZED", "detail": "the identifier or the password is wrong"}`), nil
		}
		g.session = fmt.Sprint("session-", g.logins)
		return answer(200, `{"session_id": "`+g.session+`", "known_device": "known"}`), nil
	}
	good := g.session != "" && r.Header.Get("Authorization") == "Bearer "+g.session
	if !g.away && good && r.URL.Path == pathLogout {
		g.logouts, g.session = g.logouts+1, ""
		g.mu.Unlock()
		return answer(204, ""), nil
	}
	g.mu.Unlock()
	if !good && !g.away {
		return answer(401, `{"code": "UNAUTHORIZED", "detail": "log in again"}`), nil
	}
	return g.api.RoundTrip(r)
}

func (g *guarded) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.session = "another"
}

func guardedFleet(g *guarded) (*Sim, error) {
	return New(Config{
		API: "http://api.test", Drivers: 20, Seed: 2014, Identifier: "fleet", Password: "secret",
		Client: &http.Client{Transport: g}, Logger: slog.New(slog.DiscardHandler),
	})
}

func TestAFleetLogsInOnceAndAgainWhenItsSessionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &guarded{api: newAPI(), password: "secret"}
		s, err := guardedFleet(g)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		time.Sleep(time.Minute)
		g.end()
		time.Sleep(time.Minute)
		if got := s.Stats(); got.SignedOn != 20 || got.Failures != 0 {
			t.Errorf("want 20 taxis on duty and no failures, got %+v", got)
		}
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run: want nil at the end, got %v", err)
		}
		want := []login{{"fleet", "secret", "sim-lon-7de", ""}, {"fleet", "secret", "sim-lon-7de", "known"}}
		if !slices.Equal(g.bodies, want) || g.logouts != 1 {
			t.Errorf("logins %+v and %d logouts, want %+v and one", g.bodies, g.logouts, want)
		}
	})
}

func TestARefusedAccountEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := guardedFleet(&guarded{api: newAPI(), password: "another"})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "password is wrong") {
			t.Errorf("Run: %v, want an error with what the API said", err)
		}
	})
}

func TestALoginThatIsRefusedLaterIsNotHammered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &guarded{api: newAPI(), password: "secret"}
		s, err := guardedFleet(g)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		time.Sleep(time.Minute)
		g.end()
		g.mu.Lock()
		g.password = "another"
		g.mu.Unlock()
		time.Sleep(10 * time.Minute)
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run: want nil at the end, got %v", err)
		}
		if g.logins < 10 || g.logins > 300 {
			t.Errorf("%d logins in ten minutes, want it tried again, every two seconds at most", g.logins)
		}
	})
}

func TestTheFleetFollowsItsCity(t *testing.T) {
	a := newAPI()
	synctest.Test(t, func(t *testing.T) {
		_, stop := simulate(t, a, 5)
		time.Sleep(30 * time.Second)
		a.mu.Lock()
		a.lat = 40
		a.mu.Unlock()
		time.Sleep(2 * lookAgain)
		stop()
		for id, points := range a.points {
			first, last := points[0].Lat, points[len(points)-1].Lat
			if math.Abs(first-51.5) > 1 || math.Abs(last-40) > 1 {
				t.Errorf("%s: from latitude %g to %g, want it to have moved with its city from 51.5 to 40", id, first, last)
			}
		}
	})
}
