package telemetry

import (
	"context"
	"testing"
	"time"
)

func BenchmarkStartServer(b *testing.B) {
	ctx := WithIdentity(context.Background(), Identity{Service: "core.eta"})
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	b.ReportAllocs()
	for b.Loop() {
		_, span := StartServer(ctx, "core.eta/estimate", parent, "")
		span.End(nil)
	}
}

func BenchmarkStartClient(b *testing.B) {
	ctx, _ := StartRoot(context.Background(), "root")
	b.ReportAllocs()
	for b.Loop() {
		_, span := StartClient(ctx, "core.eta/estimate")
		if span.TraceParent() == "" {
			b.Fatal("no traceparent")
		}
		span.End(nil)
	}
}

func BenchmarkRecordHop(b *testing.B) {
	_, span := StartRoot(context.Background(), "root")
	hops := NewHops(0)
	r := HopRecord{
		Span: span, Server: true, Service: "core.eta", Endpoint: "estimate",
		Instance: "core.eta-01931f6e-9d2a-7000-8000-000000000001", Version: "20260102150405", Zone: "a",
		From: "orchestration.neardrivers", Cohort: 17, Attempt: 1, Start: time.Now(), Duration: time.Millisecond,
	}
	b.Run("one caller", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			hops.Record(r)
		}
	})
	b.Run("instances in turn", func(b *testing.B) {
		b.ReportAllocs()
		other := r
		other.Instance = "core.eta-01931f6e-9d2a-7000-8000-000000000002"
		for b.Loop() {
			hops.Record(r)
			hops.Record(other)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				hops.Record(r)
			}
		})
	})
}

func BenchmarkFindHops(b *testing.B) {
	hops := NewHops(0)
	for _, endpoint := range []string{"a", "b", "c", "d"} {
		for range 2 * defaultHops {
			_, span := StartRoot(context.Background(), "root")
			hops.Record(HopRecord{Span: span, Service: "core.eta", Endpoint: endpoint})
		}
	}
	_, span := StartRoot(context.Background(), "root")
	hops.Record(HopRecord{Span: span, Service: "core.eta", Endpoint: "a"})
	for b.Loop() {
		if n := len(hops.Find(span.TraceID())); n != 1 {
			b.Fatalf("found %d hops", n)
		}
	}
}

func BenchmarkObserve(b *testing.B) {
	m := EndpointMetrics(SideServer, "core.bench", "observe")
	b.ReportAllocs()
	for b.Loop() {
		m.Inflight(1)
		m.Observe("", time.Millisecond)
		m.Inflight(-1)
	}
}
