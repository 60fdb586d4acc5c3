package platform

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform/telemetry"
	hansompb "github.com/hansom-platform/hansom/proto/hansom"
)

// target is what a client keeps of one endpoint that it calls.
type target struct {
	service, endpoint string
	name              string // "core.eta/estimate"
	breaker           breaker
	ticket            atomic.Pointer[ticket] // once it was used
	metrics           *telemetry.Metrics
	stray             bool // the names may be made up: nothing is kept of it
}

type targetKey struct{ service, endpoint string }

// targets are a client's targets, made at their first use and kept.
type targets struct {
	opened func(t *target, open bool)
	known  atomic.Pointer[map[targetKey]*target] // replaced and never changed
	mu     sync.Mutex                            // held to replace known
}

// maxTargets bounds what is kept in any case: targets beyond it have no breaker's
// history.
const maxTargets = 4096

// strays is what calls of strays are counted as.
const strays = "*"

func (ts *targets) lookup(service, endpoint string) *target {
	if known := ts.known.Load(); known != nil {
		return (*known)[targetKey{service, endpoint}]
	}
	return nil
}

// get returns the target of an endpoint that a contract names.
func (ts *targets) get(service, endpoint string) *target {
	if t := ts.lookup(service, endpoint); t != nil {
		return t
	}
	return ts.add(strings.Clone(service), strings.Clone(endpoint))
}

// guess returns the target of an endpoint that somebody else names: a stray one,
// until the outcome of a call has shown that there is such an endpoint.
func (ts *targets) guess(service, endpoint string) *target {
	if t := ts.lookup(service, endpoint); t != nil {
		return t
	}
	t := ts.newTarget(service, endpoint, telemetry.EndpointMetrics(telemetry.SideClient, strays, strays))
	t.stray = true
	return t
}

// showsEndpoint reports whether the outcome of a call that was waited for shows that
// there is such an endpoint. A made-up one is refused at once, by this side or by
// the service.
func showsEndpoint(err *fault.Error) bool {
	return err == nil || err.Code == fault.Timeout ||
		err.Origin == fault.Peer && err.Code != fault.NoRoute && err.Reason != reasonNoEndpoint
}

func (ts *targets) add(service, endpoint string) *target {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	old := make(map[targetKey]*target)
	if known := ts.known.Load(); known != nil {
		old = *known
	}
	key := targetKey{service, endpoint}
	if t := old[key]; t != nil {
		return t
	}
	t := ts.newTarget(service, endpoint, telemetry.EndpointMetrics(telemetry.SideClient, service, endpoint))
	if len(old) < maxTargets {
		known := maps.Clone(old)
		known[key] = t
		ts.known.Store(&known)
	}
	return t
}

func (ts *targets) newTarget(service, endpoint string, metrics *telemetry.Metrics) *target {
	t := &target{
		service:  service,
		endpoint: endpoint,
		name:     service + "/" + endpoint,
		metrics:  metrics,
	}
	t.breaker = newBreaker(func(e circuitbreaker.StateChangedEvent) {
		t.metrics.Circuit(circuitLevel[e.NewState])
		if e.NewState != circuitbreaker.HalfOpenState {
			ts.opened(t, e.NewState == circuitbreaker.OpenState)
		}
	})
	return t
}

var circuitLevel = map[circuitbreaker.State]int{
	circuitbreaker.ClosedState:   telemetry.CircuitClosed,
	circuitbreaker.HalfOpenState: telemetry.CircuitHalfOpen,
	circuitbreaker.OpenState:     telemetry.CircuitOpen,
}

// circuits reports every breaker's state, in the order of the names.
func (ts *targets) circuits() []*hansompb.CircuitStats {
	known := ts.known.Load()
	if known == nil {
		return nil
	}
	all := slices.SortedFunc(maps.Values(*known), func(a, b *target) int { return strings.Compare(a.name, b.name) })
	stats := make([]*hansompb.CircuitStats, len(all))
	for i, t := range all {
		stats[i] = &hansompb.CircuitStats{Service: t.service, Endpoint: t.endpoint, State: t.breaker.State().String()}
	}
	return stats
}
