package telemetry

import (
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
	code, reason            string
}

// ring keeps the last hops of one endpoint, side and outcome.
type ring struct {
	limit int

	mu     sync.Mutex
	hops   []hop
	next   int // where the next one goes once hops is full
	last   *label
	labels map[label]*label
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

// share returns the label of h that other hops have too.
func (r *ring) share(h *HopRecord) *label {
	key := label{h.Service, h.Endpoint, h.Instance, h.Version, h.Zone, h.From, h.Overlay, h.Code, h.Reason}
	if r.last != nil && *r.last == key {
		return r.last
	}
	l := r.labels[key]
	if l == nil {
		l = r.newLabel(key)
	}
	r.last = l
	return l
}

func (r *ring) newLabel(key label) *label {
	if r.labels == nil || len(r.labels) >= maxLabels {
		r.labels = make(map[label]*label)
	}
	l := &label{
		clone(key.service), clone(key.endpoint), clone(key.instance), clone(key.version), clone(key.zone),
		clone(key.from), clone(key.overlay), clone(key.code), clone(key.reason),
	}
	r.labels[*l] = l
	return l
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
