package processes_test

import (
	"context"
	"flag"
	"testing"
	"time"
)

// goals makes a missed time a failure: for make drill-zones, on a machine that does nothing else. What must not happen
// however long it takes (a call lost that may be repeated, one handled twice) fails without it too.
var goals = flag.Bool("goals", false, "fail the zones drill also where it takes longer than the goals say")

const (
	goalFailing = 100 * time.Millisecond // when one broker of two is killed
	goalAcross  = time.Second            // until callers go on through the other zone when both are
	homeLimit   = 2 * time.Minute        // until all traffic is at home again
)

// TestZonesDrill has services, callers and kernels in two zones, and takes the brokers of one away.
func TestZonesDrill(t *testing.T) {
	if testing.Short() {
		return // it needs RabbitMQ and HAProxy
	}
	r := newRegion(t)
	a := r.zones["a"]
	first, second := a.brokers.Nodes()[0], a.brokers.Nodes()[1]
	l := r.load(a)
	d := &drill{t: t, load: l}

	d.phase("steady", func() { d.awaitZone("a"); d.linger(3 * time.Second) })
	d.phase("one broker of a killed", func() { d.must(first.Kill()); d.linger(5 * time.Second) })
	d.phase("both killed", func() { d.must(second.Kill()); d.awaitZone("b", "a"); d.linger(5 * time.Second) }) // of a: guests
	d.phase("both back", func() {
		started := make(chan error)
		go func() { started <- second.Start(context.Background()) }()
		d.must(first.Start(context.Background()))
		d.must(<-started)
		d.awaitZone("a")
	})
	d.phase("at home", func() { d.linger(3 * time.Second) })
	l.stop()
	d.finish()
	t.Logf("%d calls/s, every other one not idempotent, budget %v\n%s", callsPerSecond, callBudget, table(d.counts))
	for _, c := range d.counts {
		if c.failed > 0 {
			t.Logf("%s: failures by reason: %v; the last one: %v", c.phase, c.reasons, c.failure)
		}
	}

	r.wantOnce(l)
	for _, steady := range []int{0, 4} {
		if c := d.counts[steady]; c.failed > 0 || c.byZone["b"] > 0 {
			t.Errorf("%s: %d calls failed, zone b answered %d; want none", c.phase, c.failed, c.byZone["b"])
		}
	}
	one, both := d.counts[1], d.counts[2]
	if one.lost > 0 {
		t.Errorf("%s: %d calls failed that may be repeated; want none", one.phase, one.lost)
	}
	if *goals && one.failing > goalFailing {
		t.Errorf("%s: calls failed for %v; want %v at most", one.phase, one.failing, goalFailing)
	}
	if *goals && (both.failing > goalAcross || both.silence > goalAcross) {
		t.Errorf("%s: calls failed for %v, none was answered for %v; want both within %v", both.phase, both.failing, both.silence, goalAcross)
	}
}

// A drill notes the phases of a load.
type drill struct {
	t      *testing.T
	load   *targetLoad
	begun  []time.Time
	phases []string
	counts []count
}

func (d *drill) phase(name string, run func()) {
	d.t.Helper()
	d.begun, d.phases = append(d.begun, time.Now()), append(d.phases, name)
	run()
}

// finish counts the calls of each phase, when all have ended.
func (d *drill) finish() {
	for i, begun := range d.begun {
		until := time.Now()
		if i+1 < len(d.begun) {
			until = d.begun[i+1]
		}
		d.counts = append(d.counts, countOf(d.phases[i], begun, d.load.between(begun, until)))
	}
}

func (d *drill) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// linger lets the load go on.
func (d *drill) linger(span time.Duration) {
	timer := time.NewTimer(span)
	defer timer.Stop()
	<-timer.C
}

// awaitZone returns when a whole second of calls was answered by instances of these zones.
func (d *drill) awaitZone(zones ...string) {
	d.t.Helper()
	begun := time.Now()
	for {
		now := time.Now()
		c := countOf("", now, d.load.between(later(begun, now.Add(-1500*time.Millisecond)), now.Add(-500*time.Millisecond)))
		answered := 0
		for _, z := range zones {
			answered += c.byZone[z]
		}
		if c.calls > callsPerSecond/2 && answered == c.calls {
			return
		}
		if now.Sub(begun) > homeLimit {
			d.t.Fatalf("not within %v: zone %q answers every call; in the last second: %d calls, %d failed (%v), by zone: %v",
				homeLimit, zones, c.calls, c.failed, c.failure, c.byZone)
		}
		d.linger(50 * time.Millisecond)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// wantOnce wants every write handled once at most, and those that were answered exactly once.
func (r *region) wantOnce(l *targetLoad) {
	r.t.Helper()
	handled := r.writes()
	twice, unseen, answered := 0, 0, 0
	for id, n := range handled {
		if n > 1 {
			twice++
			r.t.Errorf("write %s was handled %d times", id, n)
		}
	}
	for _, c := range l.done {
		if c.repeats || c.err != nil {
			continue
		}
		if answered++; handled[c.id] == 0 {
			unseen++
			r.t.Errorf("write %s was answered and never handled", c.id)
		}
	}
	r.t.Logf("%d writes handled, %d answered, %d twice, %d answered but not handled", len(handled), answered, twice, unseen)
}
