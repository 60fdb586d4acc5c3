package telemetry

import (
	"hash/maphash"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/trace"
)

// hop is a remembered call: what differs from call to call, and the label that
// calls share.
type hop struct {
	trace    trace.TraceID
	span     trace.SpanID
	parent   trace.SpanID
	start    int64 // nanoseconds since 1970
	duration int64 // nanoseconds
	label    *label
	cohort   int16
	attempt  uint8
	server   bool
}

// label holds the strings of a call.
type label struct {
	service, endpoint       string
	instance, version, zone string
	from, overlay           string
	code, reason, detail    string
}

// sharedLabels is how many different labels a ring keeps at hand.
const sharedLabels = 64

var seed = maphash.MakeSeed()

// ring keeps the last hops of one endpoint, side and outcome.
type ring struct {
	limit int

	mu     sync.Mutex
	hops   []hop
	next   int                  // where the next one goes once hops is full
	labels [sharedLabels]*label // by hash; a newcomer takes the place of what was there
}

func (r *ring) record(h *HopRecord) {
	ids := &h.Span.n.ids
	fresh := hop{
		trace: ids.trace, span: ids.span, parent: ids.parent,
		start: h.Start.UnixNano(), duration: int64(h.Duration),
		cohort: int16(h.Cohort), attempt: uint8(min(h.Attempt, 255)), server: h.Server,
	}
	r.mu.Lock()
	fresh.label = r.share(h)
	if len(r.hops) < r.limit {
		r.append(fresh)
	} else {
		r.hops[r.next] = fresh
		if r.next++; r.next == r.limit {
			r.next = 0
		}
	}
	r.mu.Unlock()
}

// append grows the ring by doubling, to its limit and never past it.
func (r *ring) append(h hop) {
	if len(r.hops) == cap(r.hops) {
		grown := make([]hop, len(r.hops), min(max(2*cap(r.hops), firstHops), r.limit))
		copy(grown, r.hops)
		r.hops = grown
	}
	r.hops = append(r.hops, h)
}

// share returns the label of h, the same one that the hops before had if it was
// among the ring's latest.
func (r *ring) share(h *HopRecord) *label {
	hash := maphash.String(seed, h.Instance) + maphash.String(seed, h.From) + maphash.String(seed, h.Reason) + maphash.String(seed, h.Detail)
	slot := &r.labels[hash%sharedLabels]
	key := label{h.Service, h.Endpoint, h.Instance, h.Version, h.Zone, h.From, h.Overlay, h.Code, h.Reason, h.Detail}
	if *slot == nil || **slot != key {
		*slot = &label{
			clone(h.Service), clone(h.Endpoint), clone(h.Instance), clone(h.Version), clone(h.Zone),
			clone(h.From), clone(h.Overlay), clone(h.Code), clone(h.Reason), clone(h.Detail),
		}
	}
	return *slot
}

// clone keeps a header's value without the message that it is part of.
func clone(s string) string { return strings.Clone(s) }

func (r *ring) find(id trace.TraceID, found []hop) []hop {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.hops {
		if r.hops[i].trace == id {
			found = append(found, r.hops[i])
		}
	}
	return found
}
