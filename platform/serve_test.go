package platform_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	hansompb "github.com/hansom-platform/hansom/proto/hansom"
	"github.com/hansom-platform/hansom/proto/rpc"
)

func TestAPanicIsInternalAndLogged(t *testing.T) {
	w := newWorld(t)
	e := endpoint("core.echo", "panic")
	var log bytes.Buffer
	s := w.service("core.echo", platform.Logger(slog.New(slog.NewJSONHandler(&log, nil))))
	s.Handle(e, text(func(context.Context, string) (string, error) { panic("oh no") }))
	stop := w.run(s)

	_, err := say(t.Context(), w.operator(), e, "")
	if f := fault.From(err); f.Reason != "platform.panic" || f.Code != fault.Internal || strings.Contains(f.Message, "oh no") {
		t.Errorf("call returned %+v, want INTERNAL platform.panic with a safe message", f)
	}
	_ = stop()
	for _, want := range []string{"oh no", "serve_test.go", `"trace_id"`, s.ID()} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s: %s", want, log.String())
		}
	}
}

func TestConcurrencyIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		e := endpoint("core.slow", "work")
		s := w.service("core.slow", platform.Concurrency(4))
		s.Handle(e, text(func(context.Context, string) (string, error) {
			time.Sleep(time.Second)
			return "", nil
		}))
		w.run(s)
		c := w.operator()
		for range 4 {
			go func() { _, _ = say(t.Context(), c, e, "") }()
		}
		synctest.Wait()
		start := time.Now()
		_, err := say(t.Context(), c, e, "")
		if fault.ReasonOf(err) != "platform.shed" || !fault.Is(err, fault.Unavailable) || time.Since(start) > 0 {
			t.Errorf("the fifth call returned %v after %s, want UNAVAILABLE platform.shed at once", err, time.Since(start))
		}
		if err := c.Call(t.Context(), platform.Builtin("core.slow", platform.EndpointHealth), &hansompb.HealthRequest{}, &hansompb.HealthResponse{}); err != nil {
			t.Errorf("health of a full instance returned %v, want an answer", err)
		}
	})
}

func TestABusyInstanceShedsWhatCannotBeInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		e := endpoint("core.slow", "work", func(e *rpc.Endpoint) { e.Mean = time.Second })
		s := w.service("core.slow", platform.Concurrency(4))
		s.Handle(e, text(func(context.Context, string) (string, error) {
			time.Sleep(time.Second)
			return "", nil
		}))
		w.run(s)
		c := w.operator()
		hurried := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			_, err := say(ctx, c, e, "")
			return err
		}
		if err := hurried(); !fault.Is(err, fault.Timeout) {
			t.Errorf("an idle instance answered %v, want that it tries", err)
		}
		time.Sleep(time.Second)
		for range 3 {
			go func() { _, _ = say(t.Context(), c, e, "") }()
		}
		synctest.Wait()
		if err := hurried(); fault.ReasonOf(err) != "platform.shed" {
			t.Errorf("a busy instance answered %v, want platform.shed", err)
		}
	})
}

func TestAuthoriserDecides(t *testing.T) {
	w := newWorld(t)
	e := endpoint("core.echo", "say")
	s := w.service("core.echo", platform.Authorise(func(_ context.Context, e *rpc.Endpoint, c platform.Caller) error {
		return fault.New(fault.Unauthorized, "test.no", "%s may not %s", c.Label, e.Name)
	}))
	s.Handle(e, text(echo))
	w.run(s)
	_, err := say(t.Context(), w.operator(), e, "")
	if f := fault.From(err); f.Code != fault.Unauthorized || f.Message != "operator may not say" {
		t.Errorf("call returned %v, want what the authoriser said", err)
	}
}

func TestUnknownContentTypeIsABadRequest(t *testing.T) {
	w := newWorld(t)
	s := w.service("core.echo")
	s.Handle(endpoint("core.echo", "say"), text(echo))
	w.run(s)
	_, err := w.operator().CallRaw(t.Context(), platform.Target{Service: "core.echo", Endpoint: "say", ContentType: "text/xml"}, nil)
	if fault.ReasonOf(err) != "platform.content_type" {
		t.Errorf("call with text/xml returned %v, want platform.content_type", err)
	}
}

func TestTooLargeAnAnswerSaysSo(t *testing.T) {
	w := newWorld(t)
	e := endpoint("core.echo", "grow")
	s := w.service("core.echo")
	s.Handle(e, text(func(context.Context, string) (string, error) { return strings.Repeat("x", bus.MaxBody+1), nil }))
	w.run(s)
	if _, err := say(t.Context(), w.operator(), e, ""); !fault.Is(err, fault.BadResponse) {
		t.Errorf("call returned %v, want BAD_RESPONSE", err)
	}
}

func TestMiddlewareWrapsBothSides(t *testing.T) {
	w := newWorld(t)
	e := endpoint("core.echo", "say")
	mark := func(name string) platform.Middleware {
		return func(next platform.Handler) platform.Handler {
			return func(ctx context.Context, r *platform.Request) (proto.Message, error) {
				in := r.Message.(*wrapperspb.StringValue)
				r.Message = wrapperspb.String(in.GetValue() + name)
				return next(ctx, r)
			}
		}
	}
	s := w.service("core.echo", platform.Use(mark("3"), mark("4")))
	s.Handle(e, text(echo))
	w.run(s)
	c := w.operator(platform.Use(mark("1"), mark("2")))
	if got, err := say(t.Context(), c, e, "0"); err != nil || got != "01234" {
		t.Errorf("call returned %q, %v; want 01234: first middleware outermost, caller before server", got, err)
	}
}

func TestMiddlewareMayAnswerItself(t *testing.T) {
	cached := func(platform.Handler) platform.Handler {
		return func(_ context.Context, r *platform.Request) (proto.Message, error) {
			return wrapperspb.String("cached for " + r.Caller.Service), nil
		}
	}
	c := newWorld(t).operator(platform.Use(cached))
	if got, err := say(t.Context(), c, endpoint("core.nosuch", "say"), ""); err != nil || got != "cached for operator" {
		t.Errorf("call returned %q, %v; want the middleware's answer", got, err)
	}
}

func TestMistakesOfTheProgramPanic(t *testing.T) {
	h := text(echo)
	tests := map[string]func(){
		"bad name":             func() { platform.New("echo") },
		"bad version":          func() { platform.Version("a b") },
		"bad zone":             func() { platform.Place(bus.Zone{Region: "r", Zone: ""}) },
		"no concurrency":       func() { platform.Concurrency(0) },
		"other service":        func() { platform.New("core.a").Handle(endpoint("core.b", "do"), h) },
		"built-in":             func() { platform.New("core.a").Handle(endpoint("core.a", "health"), h) },
		"unknown built-in":     func() { platform.Builtin("core.a", "nosuch") },
		"handler is nil":       func() { platform.New("core.a").Handle(endpoint("core.a", "do"), nil) },
		"bad name of a client": func() { platform.NewClient("a b", nil) },
	}
	for name, f := range tests {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}
