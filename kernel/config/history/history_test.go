package history_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/kernel/config/document"
	"github.com/hansom-platform/hansom/kernel/config/history"
	"github.com/hansom-platform/hansom/store"
	"github.com/hansom-platform/hansom/store/driver"
	"github.com/hansom-platform/hansom/store/memstore"
)

func open(t testing.TB, st *store.Store) *history.Log {
	t.Helper()
	l, err := history.Open(t.Context(), st.Table("config"), slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatalf("open the history: %v", err)
	}
	return l
}

func parse(t testing.TB, text string) any {
	t.Helper()
	v, err := document.Parse([]byte(text))
	if err != nil {
		t.Fatalf("parse %s: %v", text, err)
	}
	return v
}

// set appends a document as it stands.
func set(t testing.TB, l *history.Log, id, text string) *history.State {
	t.Helper()
	v := document.Absent
	if text != "" {
		v = parse(t, text)
	}
	s, _, err := l.Append(t.Context(), "alice", "set "+id, func(*history.State) ([]history.Edit, error) {
		return []history.Edit{{ID: id, Value: v}}, nil
	})
	if err != nil {
		t.Fatalf("append %s: %v", id, err)
	}
	return s
}

func text(d *history.Document) string {
	if !d.Live() {
		return ""
	}
	return string(document.Encode(d.Value))
}

func TestAnotherInstanceReadsTheSame(t *testing.T) {
	st := store.New(memstore.New())
	one, other := open(t, st), open(t, st)
	set(t, one, "a", `{"x":1}`)
	set(t, one, "b", `{}`)
	set(t, one, "b", "")
	got, err := other.CatchUp(t.Context())
	if err != nil {
		t.Fatalf("catch up: %v", err)
	}
	if got.Revision != 3 || text(got.Get("a")) != `{"x":1}` || got.Get("b").Live() || got.Get("b").Revision != 3 {
		t.Errorf("at revision %d a is %s, b lives: %v; want 3, {\"x\":1}, false", got.Revision, text(got.Get("a")), got.Get("b").Live())
	}
	if fresh := open(t, st).State(); fresh.Revision != 3 || text(fresh.Get("a")) != `{"x":1}` {
		t.Errorf("opened anew: revision %d, a %s", fresh.Revision, text(fresh.Get("a")))
	}
}

func TestSnapshotsMakeOpeningShort(t *testing.T) {
	st := store.New(memstore.New())
	l := open(t, st)
	const n = 3100
	for i := range n {
		set(t, l, fmt.Sprintf("doc/%d", i%7), fmt.Sprintf(`{"n":%d,"same":1}`, i))
		if err := l.Snapshot(t.Context()); err != nil {
			t.Fatalf("snapshot at %d: %v", i+1, err)
		}
	}
	page, err := st.Table("config").Range(t.Context(), "snapshot", store.Range{})
	if err != nil || len(page.Records) != 2 {
		t.Fatalf("%d snapshots are kept, %v; want 2", len(page.Records), err)
	}
	same(t, l.State(), open(t, st).State())

	// A damaged one is passed over.
	newest := page.Records[1]
	if _, err := st.Table("config").Put(t.Context(), newest.Key, []byte(`{"parts":1,"partition":"nowhere"}`)); err != nil {
		t.Fatal(err)
	}
	same(t, l.State(), open(t, st).State())
}

func same(t *testing.T, want, got *history.State) {
	t.Helper()
	if got.Revision != want.Revision {
		t.Errorf("opened anew at revision %d, want %d", got.Revision, want.Revision)
	}
	for d := range want.All("") {
		g := got.Get(d.ID)
		if text(g) != text(d) || g.Revision != d.Revision || g.Origin.At([]string{"same"}) != d.Origin.At([]string{"same"}) ||
			fmt.Sprint(g.Revisions()) != fmt.Sprint(d.Revisions()) {
			t.Errorf("opened anew, %s is %s of %d with %d revisions; want %s of %d with %d", d.ID,
				text(g), g.Revision, len(g.Revisions()), text(d), d.Revision, len(d.Revisions()))
		}
	}
}

func TestOriginsTellWhichRevisionSetALeaf(t *testing.T) {
	l := open(t, store.New(memstore.New()))
	set(t, l, "a", `{"x":{"p":1,"q":2},"y":1}`)
	set(t, l, "other", `{}`)
	set(t, l, "a", `{"x":{"p":1,"q":3},"y":1}`)
	s := set(t, l, "a", `{"x":{"p":1,"q":3,"r":4},"y":{"z":1}}`)
	for path, want := range map[string]uint64{"x.p": 1, "x.q": 3, "x.r": 4, "y.z": 4} {
		if got := s.Get("a").Origin.At(document.Tokens(path)); got != want {
			t.Errorf("%s was set by revision %d, want %d", path, got, want)
		}
	}
	was, err := l.At(t.Context(), s, "a", 3)
	if err != nil {
		t.Fatal(err)
	}
	if got := was.Origin.At([]string{"x", "q"}); got != 3 || was.Origin.At([]string{"y"}) != 1 {
		t.Errorf("at revision 3, x.q was set by %d, want 3", got)
	}
}

func TestWhatWasAtEveryRevision(t *testing.T) {
	st := store.New(memstore.New())
	l := open(t, st)
	set(t, l, "a", `{"n":1}`)
	set(t, l, "b", `{"n":2}`)
	set(t, l, "a", "")
	set(t, l, "a", `{"n":4}`)
	l = open(t, st) // with nothing cached but what it read
	for revision, want := range []string{"", `{"n":1}`, `{"n":1}`, "", `{"n":4}`} {
		d, err := l.At(t.Context(), l.State(), "a", uint64(revision))
		if err != nil || text(d) != want {
			t.Errorf("a at %d: %s, %v; want %s", revision, text(d), err, want)
		}
	}
	if _, err := l.Reach(t.Context(), 5); !fault.Is(err, fault.BadRequest) {
		t.Errorf("reach revision 5 of 4: %v, want BAD_REQUEST", err)
	}
}

func TestLargeChangesGoIntoParts(t *testing.T) {
	st := store.New(memstore.New())
	l := open(t, st)
	var edits []history.Edit
	for i := range 10 {
		edits = append(edits, history.Edit{ID: fmt.Sprint("big/", i), Value: map[string]any{"x": string(make([]byte, 40<<10))}})
	}
	if _, _, err := l.Append(t.Context(), "alice", "big", func(*history.State) ([]history.Edit, error) { return edits, nil }); err != nil {
		t.Fatalf("append: %v", err)
	}
	same(t, l.State(), open(t, st).State())
}

// moody fails writes after they were applied, or before, as an engine does that dies.
type moody struct {
	driver.Store
	mu       sync.Mutex
	failures []string // of the next writes: "before", "after" or ""
}

func (m *moody) Apply(ctx context.Context, at driver.Partition, ops []driver.Op) ([]driver.Record, error) {
	m.mu.Lock()
	how := ""
	if len(m.failures) > 0 {
		how, m.failures = m.failures[0], m.failures[1:]
	}
	m.mu.Unlock()
	if how == "before" {
		return nil, fault.New(fault.Unavailable, "test", "it is away")
	}
	r, err := m.Store.Apply(ctx, at, ops)
	if how == "after" {
		return nil, fault.New(fault.Timeout, "test", "it did not say")
	}
	return r, err
}

func TestAnUnclearOutcomeIsFoundOut(t *testing.T) {
	for _, failures := range [][]string{{"after"}, {"before"}, {"before", "before"}, {"before", "after"}} {
		engine := &moody{Store: memstore.New()}
		l := open(t, store.New(engine))
		engine.failures = failures
		if s := set(t, l, "a", `{"n":1}`); s.Revision != 1 {
			t.Errorf("with failures %v it became revision %d, want 1", failures, s.Revision)
		}
		if s := set(t, l, "a", `{"n":2}`); s.Revision != 2 {
			t.Errorf("after failures %v the next became revision %d, want 2", failures, s.Revision)
		}
	}
}

func TestWritersOfManyInstancesGetOneOrder(t *testing.T) {
	st := store.New(memstore.New())
	const instances, each = 4, 50
	var wg sync.WaitGroup
	for range instances {
		l := open(t, st)
		wg.Go(func() {
			for range each {
				_, _, err := l.Append(t.Context(), "alice", "count", func(s *history.State) ([]history.Edit, error) {
					n := 0
					if d := s.Get("n"); d.Live() {
						if _, err := fmt.Sscan(fmt.Sprint(d.Value.(map[string]any)["n"]), &n); err != nil {
							return nil, err
						}
					}
					return []history.Edit{{ID: "n", Value: parse(t, fmt.Sprintf(`{"n":%d}`, n+1))}}, nil
				})
				if err != nil {
					t.Errorf("append: %v", err)
				}
			}
		})
	}
	wg.Wait()
	s := open(t, st).State()
	if got, want := text(s.Get("n")), fmt.Sprintf(`{"n":%d}`, instances*each); s.Revision != instances*each || got != want {
		t.Errorf("revision %d with %s, want %d with %s", s.Revision, got, instances*each, want)
	}
}
