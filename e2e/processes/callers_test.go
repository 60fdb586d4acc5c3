package processes_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/proto/rpc"
)

const (
	callsPerSecond = 300
	callBudget     = 2 * time.Second
	callerCopies   = 4
)

// A call is what became of one call of the target.
type call struct {
	id      string
	repeats bool // may be repeated
	begun   time.Time
	zone    string // that answered
	err     error
}

// targetLoad calls the target at a steady rate, reads and writes in turn, from several connections of a zone.
type targetLoad struct {
	callers []*platform.Service
	stop    func()

	mu   sync.Mutex
	done []call
}

func (r *region) load(z *zoneOfRegion) *targetLoad {
	r.t.Helper()
	l := &targetLoad{}
	for range callerCopies {
		l.callers = append(l.callers, r.caller(z))
	}
	ctx, cancel := context.WithCancel(context.Background())
	var calls sync.WaitGroup
	calls.Go(func() {
		tick := time.NewTicker(time.Second / callsPerSecond)
		defer tick.Stop()
		for i := 0; ctx.Err() == nil; i++ {
			<-tick.C
			calls.Go(func() { l.call(i) })
		}
	})
	l.stop = sync.OnceFunc(func() { cancel(); calls.Wait() })
	r.t.Cleanup(l.stop)
	return l
}

func (l *targetLoad) call(i int) {
	c := call{id: fmt.Sprint(i), repeats: i%2 == 0, begun: time.Now()}
	caller := l.callers[i/2%len(l.callers)]
	ctx, cancel := context.WithTimeout(context.Background(), callBudget)
	defer cancel()
	var by platform.ServedBy
	c.err = caller.Call(platform.CaptureServedBy(ctx, &by), endpointOf(c), wrapperspb.String(c.id), new(wrapperspb.StringValue))
	c.zone = by.Zone
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done = append(l.done, c)
}

func endpointOf(c call) *rpc.Endpoint {
	if c.repeats {
		return read
	}
	return write
}

// between returns the calls that began in a span of time and have ended, in the order of their beginning.
func (l *targetLoad) between(from, to time.Time) (all []call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.done {
		if !c.begun.Before(from) && c.begun.Before(to) {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b call) int { return a.begun.Compare(b.begun) })
	return all
}

// A count sums up the calls of one phase of a drill.
type count struct {
	phase        string
	calls        int
	failed       int
	lost         int           // failed calls that may be repeated
	failing      time.Duration // from the beginning of the first failed call to that of the last one
	settled      time.Duration // from the beginning of the phase to that of the last failed call
	byZone       map[string]int
	firstFailure error
}

func countOf(phase string, begun time.Time, calls []call) count {
	c := count{phase: phase, calls: len(calls), byZone: map[string]int{}}
	var first time.Time
	for _, call := range calls {
		if call.err == nil {
			c.byZone[call.zone]++
			continue
		}
		if c.failed++; call.repeats {
			c.lost++
		}
		if first.IsZero() {
			first, c.firstFailure = call.begun, call.err
		}
		c.failing, c.settled = call.begun.Sub(first), call.begun.Sub(begun)
	}
	return c
}

func table(counts []count) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%-26s %6s %7s %11s %12s %12s %6s %6s\n", "phase", "calls", "failed", "idempotent", "failing for", "settled in", "by a", "by b")
	for _, c := range counts {
		fmt.Fprintf(&out, "%-26s %6d %7d %11d %12v %12v %6d %6d\n", c.phase, c.calls, c.failed, c.lost,
			c.failing.Round(time.Millisecond), c.settled.Round(time.Millisecond), c.byZone["a"], c.byZone["b"])
	}
	return out.String()
}

// writes reads which writes all instances of the target have handled, and how often each.
func (r *region) writes() map[string]int {
	r.t.Helper()
	files, err := filepath.Glob(filepath.Join(r.folder, "*.writes"))
	if err != nil || len(files) == 0 {
		r.t.Fatalf("no instance noted any write: %v", err)
	}
	handled := map[string]int{}
	for _, path := range files {
		readLines(r.t, path, func(id string) { handled[id]++ })
	}
	return handled
}

func readLines(t *testing.T, path string, line func(string)) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		line(lines.Text())
	}
	if lines.Err() != nil {
		t.Fatal(lines.Err())
	}
}
