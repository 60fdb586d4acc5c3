package telemetry

import (
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/hansom-platform/hansom/fault"
)

// Sides of a call, for EndpointMetrics.
const (
	SideServer = "server"
	SideClient = "client"
)

// States of a circuit breaker, for Metrics.Circuit.
const (
	CircuitClosed   = 0
	CircuitHalfOpen = 1
	CircuitOpen     = 2
)

// maxEndpoints bounds the label values in this process: callers can make up
// endpoints. Those beyond it are counted together as service "*".
const maxEndpoints = 2000

var (
	sideLabels = []string{"side", "service", "endpoint"}
	callLabels = []string{"service", "endpoint"}

	requests = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "hansom_requests_total",
		Help: "Requests handled (side server) and calls made (side client), by outcome.",
	}, append(sideLabels, "code"))
	durations = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "hansom_request_duration_seconds",
		Help:    "Time to handle a request or to make a call.",
		Buckets: []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, sideLabels)
	inflight = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "hansom_inflight",
		Help: "Requests being handled and calls under way.",
	}, sideLabels)
	shed = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "hansom_shed_total",
		Help: "Requests refused for want of room.",
	}, callLabels)
	retries = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "hansom_retries_total",
		Help: "Repeated attempts of calls.",
	}, callLabels)
	circuits = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "hansom_circuit_state",
		Help: "State of the circuit breaker of calls: 0 closed, 1 half-open, 2 open.",
	}, callLabels)
	build = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "hansom_build_info",
		Help: "Always 1; the labels say what is running.",
	}, []string{"version", "revision", "goversion"})
)

var registry = newRegistry()

func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(requests, durations, inflight, shed, retries, circuits, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Registry is where the process's metrics are registered: a program adds its own.
func Registry() prometheus.Registerer { return registry }

func setBuild(version string) {
	revision := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	build.Reset()
	build.WithLabelValues(version, revision, runtime.Version()).Set(1)
}

// Metrics counts the calls of one endpoint on one side. Keep it: looking it up
// costs more than using it.
type Metrics struct {
	side, service, endpoint string

	ok       prometheus.Counter
	faults   [16]atomic.Pointer[prometheus.Counter] // by fault.Code, made at the first use
	duration prometheus.Observer
	inflight prometheus.Gauge
	shed     prometheus.Counter
	retries  prometheus.Counter
	circuit  prometheus.Gauge
}

type metricsKey struct{ side, service, endpoint string }

var endpoints struct {
	mu  sync.RWMutex
	all map[metricsKey]*Metrics
}

// EndpointMetrics returns the metrics of one endpoint on one side, always the
// same value for the same arguments.
func EndpointMetrics(side, service, endpoint string) *Metrics {
	key := metricsKey{side, service, endpoint}
	endpoints.mu.RLock()
	m := endpoints.all[key]
	endpoints.mu.RUnlock()
	if m != nil {
		return m
	}
	endpoints.mu.Lock()
	defer endpoints.mu.Unlock()
	if len(endpoints.all) >= maxEndpoints {
		key.service, key.endpoint = "*", "*"
	}
	if m = endpoints.all[key]; m != nil {
		return m
	}
	key = metricsKey{clone(key.side), clone(key.service), clone(key.endpoint)}
	m = newMetrics(key)
	if endpoints.all == nil {
		endpoints.all = map[metricsKey]*Metrics{}
	}
	endpoints.all[key] = m
	return m
}

func newMetrics(k metricsKey) *Metrics {
	m := &Metrics{
		side: k.side, service: k.service, endpoint: k.endpoint,
		ok:       requests.WithLabelValues(k.side, k.service, k.endpoint, "OK"),
		duration: durations.WithLabelValues(k.side, k.service, k.endpoint),
		inflight: inflight.WithLabelValues(k.side, k.service, k.endpoint),
	}
	if k.side == SideServer {
		m.shed = shed.WithLabelValues(k.service, k.endpoint)
	} else {
		m.retries = retries.WithLabelValues(k.service, k.endpoint)
		m.circuit = circuits.WithLabelValues(k.service, k.endpoint)
	}
	return m
}

// Observe counts one finished request. code is the spelling of its fault.Code,
// "" for success.
func (m *Metrics) Observe(code string, d time.Duration) {
	m.duration.Observe(d.Seconds())
	if code == "" {
		m.ok.Inc()
		return
	}
	m.fault(code).Inc()
}

func (m *Metrics) fault(code string) prometheus.Counter {
	c, _ := fault.ParseCode(code) // what is no code of ours counts as INTERNAL
	slot := &m.faults[c]
	if counter := slot.Load(); counter != nil {
		return *counter
	}
	counter := requests.WithLabelValues(m.side, m.service, m.endpoint, c.String())
	slot.Store(&counter)
	return counter
}

// Inflight adds n to the number of requests under way: 1 at the start, -1 at the end.
func (m *Metrics) Inflight(n int) { m.inflight.Add(float64(n)) }

// Shed counts a request that was refused for want of room. Serving side only.
func (m *Metrics) Shed() {
	if m.shed != nil {
		m.shed.Inc()
	}
}

// Retry counts a repeated attempt. Calling side only.
func (m *Metrics) Retry() {
	if m.retries != nil {
		m.retries.Inc()
	}
}

// Circuit sets the state of the breaker, one of the Circuit constants. Calling side only.
func (m *Metrics) Circuit(state int) {
	if m.circuit != nil {
		m.circuit.Set(float64(state))
	}
}
