package telemetry

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	hansompb "github.com/hansom-platform/hansom/proto/hansom"
)

const (
	defaultHops = 2048
	firstHops   = 16   // room that a ring starts with; it doubles until it is full
	maxRings    = 1024 // endpoints and sides with rings of their own; the rest share one
)

// HopRecord is one side of one call, as the instance that made or handled it saw
// it. Strings may be part of a larger one, such as a message: they are copied.
type HopRecord struct {
	Span     Span // of this side; a record without a trace is not kept
	Server   bool // handled here; else called from here
	Stray    bool // the endpoint's name may be made up: it gets no ring of its own
	Service  string
	Endpoint string
	Instance string // that handled it, where known
	Version  string
	Zone     string
	From     string // service that called
	Overlay  string
	Cohort   int // -1: none
	Attempt  int // 1 for the first
	Start    time.Time
	Duration time.Duration
	Code     string // spelling of fault.Code; empty for success
	Reason   string
	Detail   string // for operators: why a request was denied
}

// Hops remembers the latest calls of an instance, so that they can be found by
// trace id. Every endpoint and side has a ring of its own, and its failures have
// another: busy endpoints do not push out quiet ones, nor successes failures.
// Methods may be called concurrently.
type Hops struct {
	perRing int
	rings   atomic.Pointer[map[ringKey]*ring] // replaced and never changed
	mu      sync.Mutex                        // held to replace rings
}

type ringKey struct {
	service, endpoint string
	server, failed    bool
}

// others is the ring of what finds no ring of its own. Callers can make up
// endpoints, so their number is bounded.
var others = ringKey{service: "*", endpoint: "*"}

// NewHops returns an empty memory that keeps the last perEndpoint successes and
// as many failures for each endpoint and side; 0 means 2,048. Room is taken as it
// is needed, some 80 bytes per record.
func NewHops(perEndpoint int) *Hops {
	if perEndpoint <= 0 {
		perEndpoint = defaultHops
	}
	h := &Hops{perRing: perEndpoint}
	h.rings.Store(&map[ringKey]*ring{})
	return h
}

// Record remembers one call.
func (h *Hops) Record(r HopRecord) {
	if r.Span.n == nil {
		return
	}
	h.ring(&r).record(&r)
}

func (h *Hops) ring(r *HopRecord) *ring {
	key := ringKey{r.Service, r.Endpoint, r.Server, r.Code != ""}
	if r.Stray {
		key = others
	}
	all := *h.rings.Load()
	if found := all[key]; found != nil {
		return found
	}
	if len(all) >= maxRings {
		return all[others]
	}
	return h.open(key)
}

func (h *Hops) open(key ringKey) *ring {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := *h.rings.Load()
	if len(all) >= maxRings-1 && all[key] == nil {
		key = others
	}
	if found := all[key]; found != nil {
		return found
	}
	fresh := maps.Clone(all)
	key.service, key.endpoint = clone(key.service), clone(key.endpoint)
	fresh[key] = &ring{limit: h.perRing}
	h.rings.Store(&fresh)
	return fresh[key]
}

// Find returns what is remembered of a trace, in the order of time. Durations of
// both sides of a call overlap; span and parent ids tell which belong together.
func (h *Hops) Find(traceID string) []*hansompb.Hop {
	id, err := trace.TraceIDFromHex(traceID)
	if err != nil {
		return nil
	}
	var found []hop
	for _, r := range *h.rings.Load() {
		found = r.find(id, found)
	}
	slices.SortFunc(found, compareHops)
	hops := make([]*hansompb.Hop, len(found))
	for i := range found {
		hops[i] = found[i].message()
	}
	return hops
}

// compareHops orders by time. What began at the same moment is ordered as it was
// caused: a request is handled first, and calls others then.
func compareHops(a, b hop) int {
	if c := cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.duration, a.duration)); c != 0 || a.server == b.server {
		return c
	}
	if a.server {
		return -1
	}
	return 1
}

func (h *hop) message() *hansompb.Hop {
	m := &hansompb.Hop{
		TraceId:  h.trace.String(),
		SpanId:   h.span.String(),
		Server:   h.server,
		Service:  h.label.service,
		Endpoint: h.label.endpoint,
		Instance: h.label.instance,
		Version:  h.label.version,
		Zone:     h.label.zone,
		From:     h.label.from,
		Attempt:  uint32(h.attempt),
		Start:    timestamppb.New(time.Unix(0, h.start)),
		Duration: durationpb.New(time.Duration(h.duration)),
		Code:     h.label.code,
		Reason:   h.label.reason,
		Cohort:   int32(h.cohort),
		Overlay:  h.label.overlay,
		Detail:   h.label.detail,
	}
	if h.parent.IsValid() {
		m.ParentId = h.parent.String()
	}
	return m
}
