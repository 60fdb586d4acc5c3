package telemetry

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/pprof"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// healthTimeout is how long one health check may take.
const healthTimeout = 2 * time.Second

var health struct {
	mu     sync.Mutex
	next   int
	checks map[int]healthCheck
}

type healthCheck struct {
	name  string
	check func(ctx context.Context) error
}

// Health adds a check to the process's /healthz, until remove is called. check
// returns nil when all is well and should do so within a second.
func Health(name string, check func(ctx context.Context) error) (remove func()) {
	health.mu.Lock()
	defer health.mu.Unlock()
	if health.checks == nil {
		health.checks = map[int]healthCheck{}
	}
	id := health.next
	health.next++
	health.checks[id] = healthCheck{name, check}
	return func() {
		health.mu.Lock()
		defer health.mu.Unlock()
		delete(health.checks, id)
	}
}

// Handler serves /metrics, /healthz and /debug/pprof/ of the process. It shows
// internals: mount it on a loopback address only.
func Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", serveHealth)
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// healthReport is the body of /healthz.
type healthReport struct {
	Healthy bool           `json:"healthy"`
	Checks  []healthResult `json:"checks"`
}

type healthResult struct {
	Name    string `json:"name"`
	Healthy bool   `json:"healthy"`
	Message string `json:"message,omitempty"`
}

func serveHealth(w http.ResponseWriter, r *http.Request) {
	report := runHealth(r.Context())
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !report.Healthy {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(report) // a client that went away needs no report
}

func runHealth(ctx context.Context) healthReport {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	checks := currentChecks()
	report := healthReport{Healthy: true, Checks: make([]healthResult, len(checks))}
	var all sync.WaitGroup
	for i, c := range checks {
		all.Go(func() { report.Checks[i] = c.run(ctx) })
	}
	all.Wait()
	for _, c := range report.Checks {
		report.Healthy = report.Healthy && c.Healthy
	}
	return report
}

func currentChecks() []healthCheck {
	health.mu.Lock()
	defer health.mu.Unlock()
	ids := slices.Sorted(maps.Keys(health.checks))
	checks := make([]healthCheck, len(ids))
	for i, id := range ids {
		checks[i] = health.checks[id]
	}
	return checks
}

// run waits no longer than ctx, also for a check that does not look at it.
func (c healthCheck) run(ctx context.Context) healthResult {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- fmt.Errorf("the check panicked: %v", p)
			}
		}()
		done <- c.check(ctx)
	}()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return healthResult{Name: c.name, Message: err.Error()}
	}
	return healthResult{Name: c.name, Healthy: true}
}
