package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// journal notes what happened, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) note(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

// good is a part that takes its time to start and to stop.
func (j *journal) good(name string, start, stop time.Duration) part {
	return part{name: name, run: func(ctx context.Context, ready func()) error {
		time.Sleep(start)
		j.note(name + " up")
		ready()
		<-ctx.Done()
		time.Sleep(stop)
		j.note(name + " down")
		return nil
	}}
}

func (j *journal) want(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(j.lines, want) {
		t.Errorf("want %q, got %q", want, j.lines)
	}
}

func newRunner() *runner { return &runner{log: slog.New(slog.DiscardHandler), limit: 5 * time.Second} }

func TestStagesStartInOrderAndStopInReverse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		ctx, stop := context.WithCancel(t.Context())
		err := newRunner().run(ctx, []stage{
			{j.good("bus", time.Second, time.Second)},
			{j.good("slow", 3*time.Second, 2*time.Second), j.good("quick", time.Second, time.Second)},
			{j.good("api", 0, 0)},
		}, func() { j.note("ready"); stop() })
		if err != nil {
			t.Errorf("want no error, got %v", err)
		}
		j.want(t, "bus up", "quick up", "slow up", "api up", "ready", "api down", "quick down", "slow down", "bus down")
	})
}

func TestAPartThatFailsEndsTheAppAndIsNamed(t *testing.T) {
	boom := errors.New("boom")
	for name, run := range map[string]func(context.Context, func()) error{
		"before it was ready": func(context.Context, func()) error { return boom },
		"later": func(_ context.Context, ready func()) error {
			ready()
			<-time.After(time.Hour)
			return boom
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			var j journal
			err := newRunner().run(t.Context(), []stage{
				{j.good("bus", 0, 0)}, {part{name: "core.eta", run: run}, j.good("core.city", 0, 0)},
			}, func() {})
			if !errors.Is(err, boom) || !strings.HasPrefix(err.Error(), "core.eta: ") {
				t.Errorf("%s: want core.eta: boom, got %v", name, err)
			}
			j.want(t, "bus up", "core.city up", "core.city down", "bus down")
		})
	}
}

func TestAPartThatJustReturnsIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := newRunner().run(t.Context(), []stage{{part{name: "core.eta", run: func(_ context.Context, ready func()) error {
			ready()
			return nil
		}}}}, func() {})
		if err == nil || err.Error() != "core.eta stopped by itself" {
			t.Errorf("want core.eta stopped by itself, got %v", err)
		}
	})
}

func TestWhatDoesNotStopInTimeIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		ctx, stop := context.WithCancel(t.Context())
		start := time.Now()
		err := newRunner().run(ctx, []stage{{j.good("bus", 0, 0)}, {j.good("core.eta", 0, time.Minute)}}, stop)
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("want a stop after 5 s, got one after %s", took)
		}
		if want := "not stopped within 5s: core.eta; what stops after that"; err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
		time.Sleep(time.Minute) // what was given up ends in its own time, and nothing is left
	})
}

func TestAnAppThatIsStoppedWhileItStartsStopsWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := newRunner().run(ctx, []stage{{j.good("bus", 0, 0)}, {j.good("slow", 2*time.Second, 0)}, {j.good("api", 0, 0)}},
			func() { j.note("ready") })
		if err != nil {
			t.Errorf("want no error, got %v", err)
		}
		j.want(t, "bus up", "slow up", "slow down", "bus down")
	})
}
