package platform_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
)

func TestParallelCancelsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := errors.New("first")
		start := time.Now()
		err := platform.Parallel(t.Context(), 0,
			func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
			func(context.Context) error { time.Sleep(time.Second); return want },
		)
		if !errors.Is(err, want) || time.Since(start) != time.Second {
			t.Errorf("Parallel returned %v after %s, want %v after 1s", err, time.Since(start), want)
		}
	})
}

func TestParallelKeepsToItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		call := func(context.Context) error {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(time.Second)
			now.Add(-1)
			return nil
		}
		start := time.Now()
		err := platform.Parallel(t.Context(), 2, call, call, call, call, call)
		if err != nil || most.Load() != 2 || time.Since(start) != 3*time.Second {
			t.Errorf("%v, %d at once, took %s; want nil, 2, 3s", err, most.Load(), time.Since(start))
		}
	})
}

func TestParallelOfACancelledContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	called := false
	err := platform.Parallel(ctx, 1, func(context.Context) error { called = true; return nil })
	if !errors.Is(err, context.Canceled) || called {
		t.Errorf("Parallel returned %v, called: %t; want that nothing runs", err, called)
	}
}

func TestParallelAllKeepsEveryError(t *testing.T) {
	one, three := errors.New("1"), errors.New("3")
	got := platform.ParallelAll(t.Context(), 2,
		func(context.Context) error { return one },
		func(context.Context) error { return nil },
		func(context.Context) error { return three },
	)
	if len(got) != 3 || !errors.Is(got[0], one) || got[1] != nil || !errors.Is(got[2], three) {
		t.Errorf("errors %v, want each in its place", got)
	}
}

func TestAPanicInAParallelCallEndsOneRequest(t *testing.T) {
	w := newWorld(t)
	e := endpoint("core.echo", "panic")
	var log bytes.Buffer
	s := w.service("core.echo", platform.Logger(slog.New(slog.NewJSONHandler(&log, nil))))
	s.Handle(e, text(func(ctx context.Context, _ string) (string, error) {
		nested := func(ctx context.Context) error {
			return platform.Parallel(ctx, 0, func(context.Context) error { panic("oh no") })
		}
		return "", platform.Parallel(ctx, 0, nested, func(context.Context) error { return nil })
	}))
	stop := w.run(s)
	_, err := say(t.Context(), w.operator(), e, "")
	if f := fault.From(err); f.Reason != "platform.panic" || f.Code != fault.Internal {
		t.Errorf("call returned %+v, want INTERNAL platform.panic", f)
	}
	_ = stop()
	if got := log.String(); !strings.Contains(got, `"panic":"oh no"`) || !strings.Contains(got, "parallel_test.go") {
		t.Errorf("the log lacks the panic or where it was: %s", got)
	}
}
