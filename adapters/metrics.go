package adapters

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform/telemetry"
)

// maxOperations bounds the label values of one adapter: programs can make up
// statements. Those beyond it are counted together as "other".
const maxOperations = 100

var (
	labels = []string{"service", "adapter", "name"}

	operations = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "hansom_adapter_operations_total",
		Help: "Operations on outside systems, by outcome.",
	}, append(labels, "operation", "code"))
	durations = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "hansom_adapter_operation_duration_seconds",
		Help:    "Time of operations on outside systems, waiting for a place included.",
		Buckets: []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, append(labels, "operation"))
	waits = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "hansom_adapter_waits_total",
		Help: "Operations that had to wait for a place.",
	}, labels)
	waitSeconds = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "hansom_adapter_wait_seconds_total",
		Help: "Time that operations waited for a place.",
	}, labels)
	configurations = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "hansom_adapter_configurations_total",
		Help: "Configurations met: applied, refused because they cannot be read, or unreachable and to be tried again.",
	}, append(labels, "result"))

	connections = prometheus.NewDesc("hansom_adapter_connections",
		"Connections: in_use by operations, idle, or max, the limit.", append(labels, "state"), nil)
)

// pools collects the gauges of running adapters. Those of several instances of a
// service in one process are added up.
type pools struct {
	mu  sync.Mutex
	all map[pool]bool
}

type pool interface {
	identity() [3]string
	connections() (used, idle, limit int)
}

var running = &pools{all: map[pool]bool{}}

var register = sync.OnceFunc(func() {
	telemetry.Registry().MustRegister(operations, durations, waits, waitSeconds, configurations, running)
})

func watch(p pool) {
	running.mu.Lock()
	defer running.mu.Unlock()
	running.all[p] = true
}

func unwatch(p pool) {
	running.mu.Lock()
	defer running.mu.Unlock()
	delete(running.all, p)
}

// Describe implements prometheus.Collector.
func (*pools) Describe(c chan<- *prometheus.Desc) { c <- connections }

// Collect implements prometheus.Collector.
func (p *pools) Collect(c chan<- prometheus.Metric) {
	sums := map[[3]string][3]int{}
	p.mu.Lock()
	for pool := range p.all {
		id := pool.identity()
		used, idle, limit := pool.connections()
		s := sums[id]
		sums[id] = [3]int{s[0] + used, s[1] + idle, s[2] + limit}
	}
	p.mu.Unlock()
	for id, s := range sums {
		for i, state := range []string{"in_use", "idle", "max"} {
			c <- prometheus.MustNewConstMetric(connections, prometheus.GaugeValue, float64(s[i]), id[0], id[1], id[2], state)
		}
	}
}

func (a *Adapter[C]) identity() [3]string { return a.metrics.id }

func (a *Adapter[C]) connections() (used, idle, limit int) {
	a.mu.Lock()
	g := a.current
	a.mu.Unlock()
	used = int(a.metrics.used.Load())
	if g == nil {
		return used, 0, 0
	}
	return used, g.client.Idle(), g.client.Limits().MaxOpen
}

// instruments are the metrics of one adapter.
type instruments struct {
	id   [3]string
	used atomic.Int64 // places taken, of former configurations too

	mu  sync.RWMutex
	ops map[string]*instrument
}

// instrument counts one kind of operation.
type instrument struct {
	name     string
	duration prometheus.Observer
	codes    [16]atomic.Pointer[prometheus.Counter] // by fault.Code
	ok       prometheus.Counter
}

func newInstruments(service, adapter, name string) *instruments {
	register()
	return &instruments{id: [3]string{service, adapter, name}, ops: map[string]*instrument{}}
}

func (i *instruments) operation(name string) *instrument {
	i.mu.RLock()
	o := i.ops[name]
	i.mu.RUnlock()
	if o != nil {
		return o
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.ops) >= maxOperations {
		name = "other"
	}
	if o = i.ops[name]; o == nil {
		o = &instrument{
			name:     name,
			duration: durations.WithLabelValues(i.id[0], i.id[1], i.id[2], name),
			ok:       operations.WithLabelValues(i.id[0], i.id[1], i.id[2], name, "OK"),
		}
		i.ops[name] = o
	}
	return o
}

// observe counts an operation that ended, with f where it failed.
func (i *instruments) observe(name string, f *fault.Error, d time.Duration) {
	o := i.operation(name)
	o.duration.Observe(d.Seconds())
	if f == nil {
		o.ok.Inc()
		return
	}
	slot := &o.codes[f.Code]
	if c := slot.Load(); c != nil {
		(*c).Inc()
		return
	}
	c := operations.WithLabelValues(i.id[0], i.id[1], i.id[2], o.name, f.Code.String())
	slot.Store(&c)
	c.Inc()
}

func (i *instruments) waited(d time.Duration) {
	waits.WithLabelValues(i.id[:]...).Inc()
	waitSeconds.WithLabelValues(i.id[:]...).Add(d.Seconds())
}

func (i *instruments) configuration(result string) {
	configurations.WithLabelValues(i.id[0], i.id[1], i.id[2], result).Inc()
}
