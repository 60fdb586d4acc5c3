package platform_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/auth"
	"github.com/hansom-platform/hansom/proto/rpc"
)

// loop is the least bus there can be: a request is handled by the caller's own
// goroutine. It shows what the platform itself costs, on both sides of a call.
type loop struct {
	driver.Bus // what a benchmark does not use
	handler    driver.Handler
}

func (l *loop) Request(ctx context.Context, _ string, m *driver.Message) (*driver.Message, error) {
	r := replier{make(chan *driver.Message, 1)}
	l.handler(&driver.Message{Header: m.Header.Clone(), Body: m.Body}, r)
	select {
	case reply := <-r.answer:
		return reply, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *loop) Serve(_ context.Context, _ string, h driver.Handler) (driver.Consumer, error) {
	l.handler = h
	return consumer{}, nil
}

func (l *loop) Subscribe(context.Context, driver.Subscription, driver.EventHandler) (driver.Consumer, error) {
	return consumer{}, nil
}

func (l *loop) Close(context.Context) error { return nil }

type consumer struct{ driver.Consumer }

func (consumer) Drain(context.Context) error { return nil }
func (consumer) Close() error                { return nil }

type replier struct{ answer chan *driver.Message }

func (r replier) Reply(m *driver.Message) error {
	r.answer <- m
	return nil
}

func benchmarkBus() *bus.Bus {
	return bus.New(&loop{})
}

// BenchmarkBus is the bus alone, to be taken off the others' results.
func BenchmarkBus(b *testing.B) {
	over := benchmarkBus()
	reply := &bus.Message{Header: bus.Header{{Key: bus.HeaderType, Value: bus.TypeReply}}, Body: make([]byte, 256)}
	_, err := over.Serve(b.Context(), "x", func(context.Context, *bus.Message) *bus.Message { return reply })
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		for pb.Next() {
			m := &bus.Message{Header: bus.Header{{Key: bus.HeaderService, Value: "core.echo"}, {}}, Body: reply.Body}
			if _, err := over.Request(ctx, m); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkCall is a call of 256 bytes from one service to another, with everything on.
func BenchmarkCall(b *testing.B) { benchmarkCall(b, false) }

// BenchmarkCallForUser carries a user's token besides.
func BenchmarkCallForUser(b *testing.B) { benchmarkCall(b, true) }

func benchmarkCall(b *testing.B, forUser bool) {
	over := benchmarkBus()
	w := newWorld(b)
	e := endpoint("core.echo", "say", idempotent, upper95(time.Second), func(e *rpc.Endpoint) { e.Roles = []string{platform.RoleService, platform.RoleAnyone} })
	s := w.service("core.echo")
	answer := wrapperspb.String(strings.Repeat("x", 256))
	s.Handle(e, func(context.Context, proto.Message) (proto.Message, error) { return answer, nil })
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { _ = s.Run(ctx, func(context.Context) (*bus.Bus, error) { return over, nil }) }()
	<-s.Ready()
	c := platform.NewClient("core.caller", over, platform.Logger(quiet), w.issuer("core.caller"))
	user := context.Background()
	if forUser {
		user = platform.WithToken(user, w.token(auth.User{Roles: []string{"CUSTOMER"}}))
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		ctx := platform.WithCohort(user, 1)
		response := new(wrapperspb.StringValue)
		for pb.Next() {
			if err := c.Call(ctx, e, answer, response); err != nil {
				b.Fatal(err)
			}
		}
	})
}
