package drivertest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

func testReply(w *world) {
	client, server := w.open("a"), w.open("a")
	service, instance := w.name("svc"), w.name("svc-1")
	w.serve(server, instance, func(_ context.Context, m *bus.Message) *bus.Message {
		r := reply(append([]byte("re: "), m.Body...))
		r.Header.Set(bus.HeaderServedBy, instance+" 1 a")
		return r
	})
	w.apply("a", w.binding("a", service, instance))
	m := request(service)
	m.Body = []byte("hello")
	answer, err := client.Request(w.ctx, m)
	if err != nil {
		w.Fatal(err)
	}
	if string(answer.Body) != "re: hello" || answer.Header.Get(bus.HeaderServedBy) != instance+" 1 a" {
		w.Fatalf("got body %q, header %v; want body %q and %s set", answer.Body, answer.Header, "re: hello", bus.HeaderServedBy)
	}
}

func testErrorReply(w *world) {
	b := w.open("a")
	w.serve(b, w.name("svc-1"), func(context.Context, *bus.Message) *bus.Message {
		return &bus.Message{Header: bus.Header{{Key: bus.HeaderType, Value: bus.TypeError}}, Body: []byte("broken")}
	})
	answer, err := b.RequestTo(w.ctx, w.name("svc-1"), request("any"))
	if err != nil {
		w.Fatalf("an error reply came as an error of the bus: %v", err)
	}
	if answer.Header.Get(bus.HeaderType) != bus.TypeError || string(answer.Body) != "broken" {
		w.Fatalf("got %v %q; want type %s and body %q", answer.Header, answer.Body, bus.TypeError, "broken")
	}
}

func testDirect(w *world) {
	client, server := w.open("a"), w.open("b")
	service := w.name("svc")
	for _, i := range []string{"1", "2"} {
		w.serve(server, w.name("svc-"+i), named(i))
	}
	w.apply("b", w.binding("b", service, w.name("svc-1")))
	for range 20 {
		answer, err := client.RequestTo(w.ctx, w.name("svc-2"), request(service))
		if err != nil || string(answer.Body) != "2" {
			w.Fatalf("direct request to an unbound instance of another zone: got %v, %v; want its answer", answer, err)
		}
	}
}

func testDirectAbsent(w *world) {
	b := w.open("a")
	start := time.Now()
	_, err := b.RequestTo(w.ctx, w.name("nobody"), request("any"))
	w.wantFault(err, fault.NoRoute, "bus.no_route.no_such_instance")
	if took := time.Since(start); took > w.limits.AtOnce {
		w.Fatalf("took %v; want at most %v", took, w.limits.AtOnce)
	}
	_, err = b.RequestTo(w.ctx, strings.Repeat("🚕", driver.MaxName/4), request("any"))
	w.wantFault(err, fault.NoRoute, "")
	_, err = b.RequestTo(w.ctx, strings.Repeat("n", driver.MaxName+1), request("any"))
	w.wantFault(err, fault.BadRequest, "bus.no_instance")
}

func testExactlyOne(w *world) {
	const instances, requests = 10, 2000
	client := w.open("a")
	service := w.name("svc")
	var handled [requests]atomic.Int32
	var bindings []bus.Binding
	for i := range instances {
		instance := w.name(fmt.Sprintf("svc-%d", i))
		w.serve(w.open("a"), instance, func(_ context.Context, m *bus.Message) *bus.Message {
			var n int
			_, _ = fmt.Sscan(string(m.Body), &n)
			handled[n].Add(1)
			return reply(m.Body)
		})
		bindings = append(bindings, w.binding("a", service, instance))
	}
	w.apply("a", bindings...)
	many(32, requests, func(i int) {
		m := request(service)
		m.Body = fmt.Append(nil, i)
		if got, err := w.call(client, m); err != nil || got != fmt.Sprint(i) {
			w.Errorf("request %d: got %q, %v", i, got, err)
		}
	})
	for i := range handled {
		if n := handled[i].Load(); n != 1 {
			w.Fatalf("request %d was handled %d times; want once", i, n)
		}
	}
}

// testConcurrent has one connection do everything from many goroutines at once.
func testConcurrent(w *world) {
	b := w.open("a")
	service, topic := w.name("svc"), w.name("topic")
	for i := range 4 {
		w.serve(b, w.name(fmt.Sprintf("svc-%d", i)), echo)
	}
	w.apply("a", w.binding("a", service, w.name("svc-0")), w.binding("a", service, w.name("svc-1")))
	many(16, 400, func(i int) {
		var err error
		body := strings.Repeat(fmt.Sprint(i, " "), 1+i%300)
		switch i % 8 {
		default:
			m := request(service)
			m.Body = []byte(body)
			var got string
			if got, err = w.call(b, m); err == nil && got != body {
				err = fmt.Errorf("got somebody else's reply")
			}
		case 1:
			_, err = b.RequestTo(w.ctx, w.name("svc-3"), request("any"))
		case 2:
			err = b.Publish(w.ctx, topic, &bus.Message{Body: []byte(body)})
		case 3:
			var s *bus.Subscriber
			if s, err = b.Subscribe(w.ctx, bus.Subscription{Topic: topic}, ignore); err == nil {
				err = s.Close()
			}
		case 4:
			var s *bus.Server
			if s, err = b.Serve(w.ctx, w.name(fmt.Sprintf("other-%d", i)), echo); err == nil {
				err = s.Close()
			}
		}
		if err != nil {
			w.Errorf("operation %d: %v", i, err)
		}
	})
}

func testCancelled(w *world) {
	b := w.open("a")
	entered := make(chan struct{}, 1)
	w.serve(b, w.name("svc-1"), func(ctx context.Context, _ *bus.Message) *bus.Message {
		entered <- struct{}{}
		<-ctx.Done()
		return nil
	})
	ctx, cancel := context.WithTimeout(w.ctx, 2*time.Second)
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		_, err := b.RequestTo(ctx, w.name("svc-1"), request("any"))
		failed <- err
	}()
	receive(w, "the request is handled", entered)
	cancel()
	start := time.Now()
	w.wantFault(receive(w, "the cancelled request returns", failed), fault.Unavailable, "cancelled")
	if took := time.Since(start); took > w.limits.AtOnce {
		w.Fatalf("a cancelled request returned after %v; want at most %v", took, w.limits.AtOnce)
	}
}

func testBodySizes(w *world) {
	client, server := w.open("a"), w.open("a")
	w.serve(server, w.name("svc-1"), echo)
	for _, size := range []int{0, 1, 255, 64 << 10, bus.MaxBody} {
		m := request("any")
		m.Body = bytes.Repeat([]byte{0, 0xff, '\r', '\n'}, size/4+1)[:size]
		answer, err := client.RequestTo(w.ctx, w.name("svc-1"), m)
		if err != nil {
			w.Fatalf("body of %d bytes: %v", size, err)
		}
		if !bytes.Equal(answer.Body, m.Body) {
			w.Fatalf("body of %d bytes came back with %d, or changed", size, len(answer.Body))
		}
	}
}

func testOversize(w *world) {
	b := w.open("a")
	w.serve(b, w.name("svc-1"), echo)
	large := &bus.Message{Body: make([]byte, bus.MaxBody+1)}
	_, err := b.RequestTo(w.ctx, w.name("svc-1"), large)
	w.wantFault(err, fault.BadRequest, driver.ReasonTooLarge)
	w.wantFault(b.Publish(w.ctx, w.name("topic"), large), fault.BadRequest, driver.ReasonTooLarge)
	if _, err := b.RequestTo(w.ctx, w.name("svc-1"), request("any")); err != nil {
		w.Fatalf("the connection does not work after an oversize message: %v", err)
	}
}

func testOversizeReply(w *world) {
	b := w.open("a")
	w.serve(b, w.name("svc-1"), func(context.Context, *bus.Message) *bus.Message {
		return reply(make([]byte, bus.MaxBody+1))
	})
	_, err := b.RequestTo(w.ctx, w.name("svc-1"), request("any"))
	w.wantFault(err, fault.BadResponse, driver.ReasonTooLarge)
}

// testHeaderFidelity sends every metadata name and the whole of what a field may
// be, and compares byte by byte in both directions.
func testHeaderFidelity(w *world) {
	client, server := w.open("a"), w.open("a")
	sent := bus.Header{
		{Key: bus.HeaderService, Value: w.name("svc")}, {Key: bus.HeaderEndpoint, Value: "test"},
		{Key: bus.HeaderFrom, Value: "core.eta core.eta-0190"}, {Key: bus.HeaderSession, Value: strings.Repeat("s", 300)},
		{Key: bus.HeaderToken, Value: strings.Repeat("t=", 1000)}, {Key: bus.HeaderCohort, Value: "42"},
		{Key: bus.HeaderOverlay, Value: "pr-12"}, {Key: bus.HeaderAttempt, Value: "2"}, {Key: bus.HeaderType, Value: bus.TypeRequest},
		{Key: bus.HeaderContentType, Value: bus.ContentJSON},
		{Key: bus.HeaderTraceParent, Value: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
		{Key: bus.HeaderTraceState, Value: "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"},
		{Key: "x-empty", Value: ""}, {Key: "x-space", Value: "  around and\tin between  "},
		{Key: "x-lines", Value: "one\r\ntwo\nthree\x00four"}, {Key: "x-unicode", Value: "Żółć, 出租车, 🚕, e\u0301"},
		{Key: "X-Case", Value: "upper"}, {Key: "x-case", Value: "lower"}, {Key: "!#$%&'*+-.^_`|~09", Value: ":"},
		{Key: strings.Repeat("k", 128), Value: strings.Repeat("v", 8<<10)},
	}
	received := make(chan bus.Header, 1)
	w.serve(server, w.name("svc-1"), func(_ context.Context, m *bus.Message) *bus.Message {
		received <- m.Header.Clone()
		return &bus.Message{Header: m.Header}
	})
	answer, err := client.RequestTo(w.ctx, w.name("svc-1"), &bus.Message{Header: sent.Clone()})
	if err != nil {
		w.Fatal(err)
	}
	w.wantHeader("the request", <-received, sent)
	w.wantHeader("the reply", answer.Header, sent)
}

func (w *world) wantHeader(what string, got, want bus.Header) {
	w.Helper()
	have := map[string]string{}
	for _, f := range got {
		if _, twice := have[f.Key]; twice {
			w.Fatalf("%s has the field %q twice", what, f.Key)
		}
		have[f.Key] = f.Value
	}
	for _, f := range want {
		value, ok := have[f.Key]
		if !ok || value != f.Value {
			w.Fatalf("%s: field %q is %q (present: %v); want %q", what, f.Key, value, ok, f.Value)
		}
	}
}

func testHeaderOversize(w *world) {
	b := w.open("a")
	w.serve(b, w.name("svc-1"), echo)
	m := &bus.Message{Header: bus.Header{{Key: "x-large", Value: strings.Repeat("v", bus.MaxHeader-100)}}, Body: make([]byte, bus.MaxBody)}
	if _, err := b.RequestTo(w.ctx, w.name("svc-1"), m); err != nil {
		w.Fatalf("the largest header with the largest body: %v", err)
	}
	m.Header.Set("x-large", strings.Repeat("v", bus.MaxHeader))
	_, err := b.RequestTo(w.ctx, w.name("svc-1"), m)
	w.wantFault(err, fault.BadRequest, "bus.header_too_large")
}
