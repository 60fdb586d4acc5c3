package platform_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/auth"
)

func TestCallIsAnswered(t *testing.T) {
	w := newWorld(t)
	e := endpoint("core.echo", "say")
	s := w.service("core.echo")
	s.Handle(e, text(echo))
	w.run(s)

	var by platform.ServedBy
	got, err := say(platform.CaptureServedBy(t.Context(), &by), w.operator(), e, "hello")
	if err != nil || got != "hello" {
		t.Errorf("call returned %q, %v; want hello", got, err)
	}
	want := platform.ServedBy{Instance: s.ID(), Version: "v1", Zone: "a"}
	if by != want {
		t.Errorf("served by %+v, want %+v", by, want)
	}
}

func TestRawCallSpeaksJSON(t *testing.T) {
	w := newWorld(t)
	s := w.service("core.echo")
	s.Handle(endpoint("core.echo", "say"), text(echo))
	w.run(s)
	c := w.operator()
	target := platform.Target{Service: "core.echo", Endpoint: "say", ContentType: bus.ContentJSON}

	got, err := c.CallRaw(t.Context(), target, []byte(`"hello"`))
	if err != nil || string(got) != `"hello"` {
		t.Errorf("call returned %s, %v; want \"hello\"", got, err)
	}
	_, err = c.CallRaw(t.Context(), target, []byte(`{"wrong":1}`))
	if !fault.Is(err, fault.BadRequest) || fault.ReasonOf(err) != "platform.decode" {
		t.Errorf("call with a body of another type returned %v, want BAD_REQUEST platform.decode", err)
	}
	if f := fault.From(err); f.Origin != fault.Peer {
		t.Errorf("origin %v, want peer", f.Origin)
	}
}

func TestNilAnswerIsAnEmptyMessage(t *testing.T) {
	w := newWorld(t)
	e := endpoint("core.echo", "nothing")
	typed := endpoint("core.echo", "typed")
	s := w.service("core.echo")
	s.Handle(e, func(context.Context, proto.Message) (proto.Message, error) { return nil, nil })
	s.Handle(typed, func(context.Context, proto.Message) (proto.Message, error) {
		return (*wrapperspb.StringValue)(nil), nil
	})
	w.run(s)
	c := w.operator()
	for _, name := range []string{"nothing", "typed"} {
		for _, contentType := range []string{bus.ContentProtobuf, bus.ContentJSON} {
			_, err := c.CallRaw(t.Context(), platform.Target{Service: "core.echo", Endpoint: name, ContentType: contentType}, nil)
			if err != nil {
				t.Errorf("%s with %s: %v, want an empty message", name, contentType, err)
			}
		}
	}
}

func TestFaultOfThePeerComesBack(t *testing.T) {
	w := newWorld(t)
	e := endpoint("core.echo", "fail")
	s := w.service("core.echo")
	s.Handle(e, text(func(context.Context, string) (string, error) {
		return "", fault.New(fault.Conflict, "core.echo.fail.taken", "already taken").WithDetail("row 7")
	}))
	w.run(s)

	_, err := say(t.Context(), w.operator(), e, "")
	var got *fault.Error
	if !errors.As(err, &got) {
		t.Fatalf("call returned %v, want a fault", err)
	}
	want := fault.Error{Code: fault.Conflict, Reason: "core.echo.fail.taken", Message: "already taken", Detail: "row 7", Origin: fault.Peer}
	if *got != want {
		t.Errorf("fault %+v, want %+v", *got, want)
	}
}

func TestOtherErrorsAreInternalWithoutTheirText(t *testing.T) {
	w := newWorld(t)
	e := endpoint("core.echo", "fail")
	s := w.service("core.echo")
	s.Handle(e, text(func(context.Context, string) (string, error) { return "", errors.New("secret") }))
	w.run(s)

	_, err := say(t.Context(), w.operator(), e, "")
	if f := fault.From(err); f.Code != fault.Internal || strings.Contains(f.Message, "secret") {
		t.Errorf("fault %+v, want INTERNAL without the text", f)
	}
}

func TestUnknownEndpointNamesThoseThatExist(t *testing.T) {
	w := newWorld(t)
	s := w.service("core.echo")
	s.Handle(endpoint("core.echo", "say"), text(echo))
	w.run(s)

	_, err := say(t.Context(), w.operator(), endpoint("core.echo", "sing"), "")
	if !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "health, heartbeat, hops, say, schema, stats") {
		t.Errorf("call of sing returned %v, want NOT_FOUND with the endpoints that exist", err)
	}
}

func TestNoRouteComesBackAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, err := say(t.Context(), newWorld(t).operator(), endpoint("core.nosuch", "say", idempotent), "")
		if !fault.Is(err, fault.NoRoute) || time.Since(start) > 0 {
			t.Errorf("call returned %v after %s, want NO_ROUTE at once", err, time.Since(start))
		}
	})
}

func TestUnreadableAnswerIsABadResponse(t *testing.T) {
	w := newWorld(t)
	w.stub("core.echo", "core.echo-1", func(context.Context, *bus.Message) *bus.Message {
		return &bus.Message{Header: bus.Header{{Key: bus.HeaderType, Value: bus.TypeReply}}, Body: []byte{0xff}}
	})
	_, err := say(t.Context(), w.operator(), endpoint("core.echo", "say"), "")
	if f := fault.From(err); f.Code != fault.BadResponse || f.Origin != fault.Local {
		t.Errorf("fault %+v, want BAD_RESPONSE of this side", f)
	}
}

func TestUnknownCodeIsABadResponse(t *testing.T) {
	w := newWorld(t)
	w.stub("core.echo", "core.echo-1", func(context.Context, *bus.Message) *bus.Message {
		return &bus.Message{Header: bus.Header{{Key: bus.HeaderType, Value: bus.TypeError}}, Body: []byte("\x0a\x03NEW")}
	})
	_, err := say(t.Context(), w.operator(), endpoint("core.echo", "say"), "")
	if !fault.Is(err, fault.BadResponse) {
		t.Errorf("call returned %v, want BAD_RESPONSE", err)
	}
}

func TestDirectCallReachesThatInstance(t *testing.T) {
	w := newWorld(t)
	e := endpoint("core.echo", "who")
	var ids []string
	for range 3 {
		s := w.service("core.echo")
		s.Handle(e, text(func(context.Context, string) (string, error) { return s.ID(), nil }))
		w.run(s)
		ids = append(ids, s.ID())
	}
	c := w.operator()
	for _, id := range ids {
		if got, err := say(platform.To(t.Context(), id), c, e, ""); err != nil || got != id {
			t.Errorf("call to %s was answered by %s, %v", id, got, err)
		}
	}
	_, err := say(platform.To(t.Context(), "core.echo-gone"), c, e, "")
	if fault.ReasonOf(err) != "bus.no_route.no_such_instance" {
		t.Errorf("call to an instance that is gone returned %v, want bus.no_route.no_such_instance", err)
	}
}

// callTree runs api.top, which calls core.leaf, which answers what it was told.
func callTree(w *world, leaf func(ctx context.Context) string) {
	below := endpoint("core.leaf", "look")
	l := w.service("core.leaf")
	l.Handle(below, text(func(ctx context.Context, _ string) (string, error) { return leaf(ctx), nil }))
	w.run(l)
	top := w.service("api.top")
	top.Handle(endpoint("api.top", "look"), text(func(ctx context.Context, in string) (string, error) {
		return say(ctx, top, below, in)
	}))
	w.run(top)
}

func TestWhatARequestCarriesGoesDownTheTree(t *testing.T) {
	w := newWorld(t)
	callTree(w, func(ctx context.Context) string {
		return fmt.Sprintf("%s from %s cohort %d overlay %s", platform.TraceID(ctx), platform.CallerOf(ctx).Service,
			platform.CohortOf(ctx), platform.OverlayOf(ctx))
	})
	ctx := platform.WithOverlay(platform.WithCohort(t.Context(), 42), "alice")
	got, err := say(ctx, w.operator(), endpoint("api.top", "look"), "")
	trace, rest, _ := strings.Cut(got, " ")
	if want := "from api.top cohort 42 overlay alice"; err != nil || rest != want || len(trace) != 32 {
		t.Errorf("the leaf saw %q, %v; want a trace id and %q", got, err, want)
	}
}

func TestSessionAndTokenGoDownTheTree(t *testing.T) {
	w := newWorld(t)
	seen := make(chan bus.Header, 1)
	w.stub("core.leaf", "core.leaf-1", func(_ context.Context, m *bus.Message) *bus.Message {
		seen <- m.Header
		return &bus.Message{Header: bus.Header{{Key: bus.HeaderType, Value: bus.TypeReply}}}
	})
	top := w.service("api.top")
	top.Handle(endpoint("api.top", "look"), text(func(ctx context.Context, in string) (string, error) {
		return say(ctx, top, endpoint("core.leaf", "look"), in)
	}))
	w.run(top)
	token := w.token(auth.User{Session: "s1"})
	_, err := w.open().Request(t.Context(), &bus.Message{Header: bus.Header{
		{Key: bus.HeaderService, Value: "api.top"}, {Key: bus.HeaderEndpoint, Value: "look"},
		{Key: bus.HeaderSession, Value: "forged"}, {Key: bus.HeaderToken, Value: token},
	}})
	if err != nil {
		t.Fatal(err)
	}
	h := <-seen
	if h.Get(bus.HeaderSession) != "s1" || h.Get(bus.HeaderToken) != token {
		t.Errorf("the leaf's header is %v, want the token and its session s1", h)
	}
}

func TestBudgetGoesDownTheTree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		callTree(w, func(ctx context.Context) string {
			deadline, _ := ctx.Deadline()
			return time.Until(deadline).Round(time.Millisecond).String()
		})
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		got, err := say(ctx, w.operator(), endpoint("api.top", "look"), "")
		if err != nil || got != "300ms" {
			t.Errorf("the leaf had %s left, %v; want 300ms", got, err)
		}
	})
}

func TestHandlerEndsWithTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		e := endpoint("core.slow", "wait")
		ended := make(chan time.Duration, 1)
		s := w.service("core.slow")
		s.Handle(e, text(func(ctx context.Context, _ string) (string, error) {
			start := time.Now()
			<-ctx.Done()
			ended <- time.Since(start)
			return "", ctx.Err()
		}))
		w.run(s)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		_, err := say(ctx, w.operator(), e, "")
		if !fault.Is(err, fault.Timeout) {
			t.Errorf("call returned %v, want TIMEOUT", err)
		}
		if got := <-ended; got > 200*time.Millisecond {
			t.Errorf("the handler's context ended after %s, want 200ms", got)
		}
	})
}

func TestCallBeforeRunSaysSo(t *testing.T) {
	s := platform.New("core.echo", platform.Logger(quiet))
	_, err := say(t.Context(), s, endpoint("core.other", "say"), "")
	if fault.ReasonOf(err) != "platform.not_connected" {
		t.Errorf("call before Run returned %v, want platform.not_connected", err)
	}
}
