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

	"github.com/hansom-platform/hansom/fault"
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
	ended   time.Time
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
	c.zone, c.ended = by.Zone, time.Now()
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

// at is when the call counts: a failure when the caller hears of it, for what it fails of may have come after its beginning.
func (c call) at() time.Time {
	if c.err != nil {
		return c.ended
	}
	return c.begun
}

// between returns the calls that count in a span of time.
func (l *targetLoad) between(from, to time.Time) (all []call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.done {
		if !c.at().Before(from) && c.at().Before(to) {
			all = append(all, c)
		}
	}
	return all
}

// A count sums up the calls of one phase of a drill.
type count struct {
	phase   string
	calls   int
	failed  int
	lost    int            // failed calls that may be repeated
	failing time.Duration  // from the phase's beginning to that of the last call that failed
	slowest time.Duration  // of the calls that were answered
	byZone  map[string]int // answers
	silence time.Duration  // the longest without an answer
	reasons map[string]int // of the failures
	failure error          // the last of them
}

func countOf(phase string, begun time.Time, calls []call) count {
	c := count{phase: phase, calls: len(calls), byZone: map[string]int{}, reasons: map[string]int{}}
	answers := []time.Time{begun}
	for _, call := range calls {
		if call.err != nil {
			c.fail(begun, call)
			continue
		}
		answers = append(answers, call.ended)
		c.slowest = max(c.slowest, call.ended.Sub(call.begun))
		c.byZone[call.zone]++
	}
	slices.SortFunc(answers, time.Time.Compare)
	for i := range answers[1:] {
		c.silence = max(c.silence, answers[i+1].Sub(answers[i]))
	}
	return c
}

func (c *count) fail(begun time.Time, call call) {
	c.failed++
	if call.repeats {
		c.lost++
	}
	c.failing = max(c.failing, call.begun.Sub(begun))
	c.reasons[fault.ReasonOf(call.err)]++
	c.failure = call.err
}

func table(counts []count) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%-24s %6s %7s %11s %12s %9s %6s %6s %14s\n",
		"phase", "calls", "failed", "idempotent", "failing for", "slowest", "by a", "by b", "silence")
	for _, c := range counts {
		fmt.Fprintf(&out, "%-24s %6d %7d %11d %12v %9v %6d %6d %14v\n", c.phase, c.calls, c.failed, c.lost,
			c.failing.Round(time.Millisecond), c.slowest.Round(time.Millisecond), c.byZone["a"], c.byZone["b"], c.silence.Round(time.Millisecond))
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
