package natsbus

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/bus/driver"
)

const (
	benchCallers = 64
	benchBody    = 256
)

// BenchmarkAgainstBareNATS compares one call of the bus, with the metadata of a
// real one, with nats.go's own request and reply: same server, same kind of
// connection, one connection on each side.
func BenchmarkAgainstBareNATS(b *testing.B) {
	for _, kind := range []string{"memory", "tcp"} {
		e := startEngine(b)
		e.memory = kind == "memory"
		b.Run(kind+"/bare", func(b *testing.B) { benchBare(b, e, nil) })
		b.Run(kind+"/bare-8-headers", func(b *testing.B) { benchBare(b, e, callHeader()) })
		b.Run(kind+"/bus", func(b *testing.B) { benchBus(b, e) })
	}
}

func callHeader() driver.Header {
	return driver.Header{
		{Key: driver.HeaderService, Value: "core.eta"}, {Key: driver.HeaderEndpoint, Value: "estimate"},
		{Key: driver.HeaderType, Value: driver.TypeRequest}, {Key: driver.HeaderBudget, Value: "10000"},
		{Key: driver.HeaderFrom, Value: "orchestration.neardrivers orchestration.neardrivers-01932d0c-7a6b-7c11-9b0e-2f6f3a1d5c4e"},
		{Key: driver.HeaderCohort, Value: "4711"},
		{Key: driver.HeaderTraceParent, Value: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
		{Key: driver.HeaderContentType, Value: driver.ContentProtobuf},
	}
}

func benchBare(b *testing.B, e *engine, header driver.Header) {
	dial := func() *nats.Conn {
		options := []nats.Option{}
		if e.memory {
			options = append(options, nats.InProcessServer(e))
		}
		nc, err := nats.Connect(e.url(), options...)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(nc.Close)
		return nc
	}
	client, server := dial(), dial()
	if _, err := server.Subscribe("bare", func(m *nats.Msg) {
		r := nats.NewMsg(m.Reply)
		r.Data = m.Data
		for _, f := range header[:len(header)/2] {
			r.Header[f.Key] = []string{f.Value}
		}
		_ = m.RespondMsg(r)
	}); err != nil {
		b.Fatal(err)
	}
	if err := server.Flush(); err != nil {
		b.Fatal(err)
	}
	body := make([]byte, benchBody)
	measure(b, func() error {
		m := nats.NewMsg("bare")
		m.Data = body
		for _, f := range header {
			m.Header[f.Key] = []string{f.Value}
		}
		_, err := client.RequestMsg(m, 5*time.Second)
		return err
	})
}

func benchBus(b *testing.B, e *engine) {
	open := func() *bus.Bus {
		d, err := e.Open(b.Context(), zoneA)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = d.Close(context.Background()) })
		return bus.New(d)
	}
	client, server := open(), open()
	s, err := server.Serve(b.Context(), "core.eta-1", func(_ context.Context, m *bus.Message) *bus.Message {
		return &bus.Message{Header: bus.Header{
			{Key: bus.HeaderType, Value: bus.TypeReply},
			{Key: bus.HeaderServedBy, Value: "core.eta-1 20260102150405 a"},
			{Key: bus.HeaderContentType, Value: bus.ContentProtobuf},
		}, Body: m.Body}
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	if err := server.Apply(b.Context(), zoneA, []bus.Binding{{
		Service: "core.eta", Instance: "core.eta-1", Version: "20260102150405", Region: zoneA.Region, Zone: zoneA.Zone, Weight: 100,
	}}); err != nil {
		b.Fatal(err)
	}
	body, header := make([]byte, benchBody), callHeader()
	call := func() error {
		ctx, cancel := context.WithTimeout(b.Context(), 5*time.Second)
		defer cancel()
		_, err := client.Request(ctx, &bus.Message{Header: header.Clone(), Body: body})
		return err
	}
	for deadline := time.Now().Add(5 * time.Second); call() != nil; {
		if time.Now().After(deadline) {
			b.Fatal("no call succeeds")
		}
	}
	measure(b, call)
}

// measure shares b.N calls between the callers and reports calls per second and
// the 99th percentile of their times.
func measure(b *testing.B, call func() error) {
	times := make([]time.Duration, b.N)
	var next atomic.Int64
	var callers sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for range benchCallers {
		callers.Go(func() {
			for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
				start := time.Now()
				if err := call(); err != nil {
					b.Error(fmt.Errorf("call %d: %w", i, err))
					return
				}
				times[i] = time.Since(start)
			}
		})
	}
	callers.Wait()
	b.StopTimer()
	slices.Sort(times)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
	b.ReportMetric(float64(times[b.N*99/100].Microseconds()), "p99-µs")
}
