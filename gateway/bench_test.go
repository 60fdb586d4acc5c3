package gateway

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkForward is one routed request without the network of its client: the
// gateway, the bus in memory and the service's handler.
func BenchmarkForward(b *testing.B) { benchmarkForward(b) }

// BenchmarkForwardWithSession adds what it takes to know whose request it is.
func BenchmarkForwardWithSession(b *testing.B) {
	benchmarkForward(b, headerAuthorization, customer)
}

func benchmarkForward(b *testing.B, header ...string) {
	g := newWorld(b).city()
	h := g.Handler()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, request(http.MethodGet, "/v1/customer/status?is=200&customer=42", "", header...))
			if w.Code != http.StatusOK {
				b.Fatalf("status %d", w.Code)
			}
		}
	})
}

func BenchmarkParsePath(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := parsePath("/v1/customer/neardrivers/a/b"); !ok {
			b.Fatal("no path")
		}
	}
}

func BenchmarkCohort(b *testing.B) {
	r := request(http.MethodGet, "/v1/customer/neardrivers?city=LON&lat=51.5&lng=-0.1", "", "X-Customer-Id", "42")
	b.ReportAllocs()
	for b.Loop() {
		if cohortOf(salt, r, nil) == noCohort {
			b.Fatal("no cohort")
		}
	}
}

func BenchmarkKnownSession(b *testing.B) {
	w := newWorld(b)
	g := w.city()
	if _, _, err := g.sessions.open(b.Context(), ada); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := g.sessions.open(b.Context(), ada); err != nil {
			b.Fatal(err)
		}
	}
}
