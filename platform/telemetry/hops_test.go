package telemetry

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	hansompb "github.com/hansom-platform/hansom/proto/hansom"
)

func newSpan() Span {
	_, s := StartRoot(context.Background(), "test")
	return s
}

func TestHopsFind(t *testing.T) {
	hops := NewHops(4)
	_, span := StartServer(context.Background(), "x", someParent, "")
	start := time.Date(2026, 1, 2, 15, 4, 5, 6, time.UTC)
	call := HopRecord{
		Span: span, Service: "core.routing", Endpoint: "route", Attempt: 2, Cohort: -1,
		Start: start.Add(time.Millisecond), Duration: 3 * time.Millisecond, Code: "TIMEOUT", Reason: "bus.timeout",
	}
	handled := HopRecord{
		Span: span, Server: true, Service: "core.eta", Endpoint: "estimate", Instance: "core.eta-1", Version: "2026", Zone: "a",
		From: "orchestration.neardrivers", Overlay: "alice", Cohort: 42, Attempt: 1, Start: start, Duration: time.Second,
	}
	hops.Record(call)
	hops.Record(handled)
	hops.Record(HopRecord{Span: newSpan(), Service: "core.eta", Endpoint: "estimate"})

	want := []*hansompb.Hop{
		{
			TraceId: someTrace, SpanId: span.SpanID(), ParentId: someSpan, Server: true,
			Service: "core.eta", Endpoint: "estimate", Instance: "core.eta-1", Version: "2026", Zone: "a",
			From: "orchestration.neardrivers", Overlay: "alice", Cohort: 42, Attempt: 1,
			Start: timestamppb.New(start), Duration: durationpb.New(time.Second),
		},
		{
			TraceId: someTrace, SpanId: span.SpanID(), ParentId: someSpan, Service: "core.routing", Endpoint: "route",
			Cohort: -1, Attempt: 2, Start: timestamppb.New(start.Add(time.Millisecond)),
			Duration: durationpb.New(3 * time.Millisecond), Code: "TIMEOUT", Reason: "bus.timeout",
		},
	}
	if diff := cmp.Diff(want, hops.Find(someTrace), protocmp.Transform()); diff != "" {
		t.Errorf("Find (-want +got):\n%s", diff)
	}
	if got := hops.Find("no trace id"); len(got) != 0 {
		t.Errorf("Find of rubbish = %v", got)
	}
}

func TestHopsOfOneMomentAreInOrderOfCause(t *testing.T) {
	hops, span, now := NewHops(0), newSpan(), time.Now()
	for _, h := range []HopRecord{
		{Endpoint: "fifth", Start: now.Add(1)},
		{Endpoint: "fourth", Start: now},
		{Endpoint: "third", Start: now, Server: true},
		{Endpoint: "second", Start: now, Duration: 1},
		{Endpoint: "first", Start: now, Duration: 1, Server: true},
	} {
		h.Span = span
		hops.Record(h)
	}
	var got []string
	for _, h := range hops.Find(span.TraceID()) {
		got = append(got, h.Endpoint)
	}
	if diff := cmp.Diff([]string{"first", "second", "third", "fourth", "fifth"}, got); diff != "" {
		t.Errorf("order of hops (-want +got):\n%s", diff)
	}
}

func TestHopsKeepWhatIsRare(t *testing.T) {
	hops := NewHops(8)
	rare, failed, first := newSpan(), newSpan(), newSpan()
	hops.Record(HopRecord{Span: rare, Service: "core.eta", Endpoint: "rare"})
	hops.Record(HopRecord{Span: failed, Service: "core.eta", Endpoint: "busy", Code: "INTERNAL"})
	hops.Record(HopRecord{Span: first, Service: "core.eta", Endpoint: "busy"})
	var last Span
	for range 100 {
		last = newSpan()
		hops.Record(HopRecord{Span: last, Service: "core.eta", Endpoint: "busy"})
	}
	for name, test := range map[string]struct {
		span Span
		want int
	}{
		"of a quiet endpoint":                  {rare, 1},
		"that failed":                          {failed, 1},
		"that just ended":                      {last, 1},
		"that has been pushed out by 100 more": {first, 0},
	} {
		if got := len(hops.Find(test.span.TraceID())); got != test.want {
			t.Errorf("a call %s was found %d times, want %d", name, got, test.want)
		}
	}
}

func TestHopsAreBounded(t *testing.T) {
	hops := NewHops(4)
	for i := range 2 * maxRings {
		hops.Record(HopRecord{Span: newSpan(), Service: "made.up", Endpoint: fmt.Sprint(i)})
	}
	if got := len(*hops.rings.Load()); got > maxRings {
		t.Errorf("%d made-up endpoints made %d rings, want at most %d", 2*maxRings, got, maxRings)
	}
	last := newSpan()
	hops.Record(HopRecord{Span: last, Service: "made.up", Endpoint: "last"})
	if got := hops.Find(last.TraceID()); len(got) != 1 || got[0].Endpoint != "last" {
		t.Errorf("the newest call of a made-up endpoint is not found: %v", got)
	}
}

func TestStraysShareOneRing(t *testing.T) {
	hops := NewHops(4)
	var spans []Span
	for i := range maxRings + 10 {
		spans = append(spans, newSpan())
		hops.Record(HopRecord{Span: spans[i], Service: "made.up", Endpoint: fmt.Sprint(i), Stray: true})
		hops.Record(HopRecord{Span: newSpan(), Service: "core.x", Endpoint: fmt.Sprint(i)})
	}
	if got := len(*hops.rings.Load()); got != maxRings-1 {
		t.Errorf("strays beside more endpoints than there may be rings made %d rings, want %d", got, maxRings-1)
	}
	hops.Record(HopRecord{Span: newSpan(), Service: "core.x", Endpoint: "one more"})
	if got := hops.Find(spans[len(spans)-1].TraceID()); len(got) != 1 {
		t.Errorf("the newest stray is found %d times, want once", len(got))
	}
}

func TestHopIsSmall(t *testing.T) {
	if got := unsafe.Sizeof(hop{}); got > 64 {
		t.Errorf("a remembered hop takes %d bytes, want at most 64", got)
	}
}

func TestHopsConcurrently(t *testing.T) {
	hops := NewHops(16)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 200 {
				s := newSpan()
				hops.Record(HopRecord{Span: s, Service: "core.eta", Endpoint: fmt.Sprint(i), Instance: fmt.Sprint(j % 80)})
				if got := hops.Find(s.TraceID()); len(got) != 1 {
					t.Errorf("the call just recorded was found %d times", len(got))
				}
			}
		})
	}
	all.Wait()
}
