package coord

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hansom-platform/hansom/coord/driver"
)

// newTestWatcher returns a Watcher and the driver's side of it.
func newTestWatcher() (*Watcher, driver.Observer) {
	c := New(nil)
	w := newWatcher(c, "/")
	w.stop = func() {}
	return w, (*mailbox)(w)
}

func node(path string, revision uint64) Node { return Node{Path: path, Revision: revision} }

// drain takes all events that are there, as "put /a@1".
func drain(t *testing.T, w *Watcher) []string {
	t.Helper()
	got := []string{}
	for {
		ev, ok, err := w.take()
		if err != nil {
			t.Fatalf("take: %v", err)
		}
		if !ok {
			return got
		}
		got = append(got, fmt.Sprintf("%v %s@%d", ev.Kind, ev.Node.Path, ev.Node.Revision))
	}
}

func TestWatcherMerges(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   func(t *testing.T, w *Watcher, o driver.Observer)
		want []string
	}{
		{"snapshot, then its end", func(t *testing.T, w *Watcher, o driver.Observer) {
			o.Snapshot([]Node{node("/a", 1), node("/b", 2)})
		}, []string{"put /a@1", "put /b@2", "snapshot-done @0"}},
		{"an empty snapshot", func(t *testing.T, w *Watcher, o driver.Observer) {
			o.Snapshot(nil)
		}, []string{"snapshot-done @0"}},
		{"puts of one path into the last", func(t *testing.T, w *Watcher, o driver.Observer) {
			o.Snapshot([]Node{node("/a", 1)})
			o.Put(node("/a", 2))
			o.Put(node("/a", 3))
		}, []string{"put /a@3", "snapshot-done @0"}},
		{"a passing node into nothing", func(t *testing.T, w *Watcher, o driver.Observer) {
			o.Snapshot(nil)
			o.Put(node("/a", 1))
			o.Delete("/a", 2)
		}, []string{"snapshot-done @0"}},
		{"deletion and rebirth of a told node into a put", func(t *testing.T, w *Watcher, o driver.Observer) {
			o.Snapshot([]Node{node("/a", 1)})
			drain(t, w)
			o.Delete("/a", 2)
			o.Put(node("/a", 3))
		}, []string{"put /a@3"}},
		{"change and deletion of a told node into a deletion", func(t *testing.T, w *Watcher, o driver.Observer) {
			o.Snapshot([]Node{node("/a", 1)})
			drain(t, w)
			o.Put(node("/a", 2))
			o.Delete("/a", 0)
		}, []string{"deleted /a@2"}},
		{"a later snapshot into differences", func(t *testing.T, w *Watcher, o driver.Observer) {
			o.Snapshot([]Node{node("/a", 1), node("/b", 2), node("/c", 3)})
			drain(t, w)
			o.Snapshot([]Node{node("/b", 2), node("/c", 5), node("/d", 6)})
		}, []string{"deleted /a@1", "put /c@5", "put /d@6"}},
		{"a deletion of what was never there into nothing", func(t *testing.T, w *Watcher, o driver.Observer) {
			o.Snapshot(nil)
			o.Delete("/a", 9)
		}, []string{"snapshot-done @0"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w, o := newTestWatcher()
			tc.do(t, w, o)
			if diff := cmp.Diff(tc.want, drain(t, w)); diff != "" {
				t.Errorf("events differ (-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever a driver reports and whenever the reader reads, the reader ends up
// with the driver's last state, and never more is queued than two entries per path.
func TestWatcherConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, o := newTestWatcher()
		state, seen := map[string]uint64{}, map[string]uint64{}
		o.Snapshot(nil)
		var revision uint64
		for range rapid.IntRange(0, 200).Draw(t, "steps") {
			revision++
			path := rapid.SampledFrom([]string{"/a", "/b", "/c", "/d", "/e"}).Draw(t, "path")
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0, 1, 2, 3:
				state[path] = revision
				o.Put(node(path, revision))
			case 4, 5, 6:
				delete(state, path)
				o.Delete(path, revision)
			case 7:
				state = map[string]uint64{path: revision}
				o.Snapshot([]Node{node(path, revision)})
			default:
				read(w, seen, 2)
			}
			if len(w.queue) > 64+2*len(w.pending) {
				t.Fatalf("%d entries are queued for %d events", len(w.queue), len(w.pending))
			}
		}
		read(w, seen, -1)
		if diff := cmp.Diff(state, seen); diff != "" {
			t.Errorf("the reader's state differs from the driver's (-want +got):\n%s", diff)
		}
	})
}

// read applies up to n events to seen, or all if n is negative.
func read(w *Watcher, seen map[string]uint64, n int) {
	for ; n != 0; n-- {
		ev, ok, _ := w.take()
		if !ok {
			return
		}
		switch ev.Kind {
		case NodePut:
			seen[ev.Node.Path] = ev.Node.Revision
		case NodeDeleted:
			delete(seen, ev.Node.Path)
		}
	}
}

func TestWatcherSharedByReadersLosesNoEvent(t *testing.T) {
	w, o := newTestWatcher()
	const paths, readers = 500, 4
	var mu sync.Mutex
	got := map[string]bool{}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			for {
				ev, err := w.Next(ctx)
				if err != nil {
					return
				}
				mu.Lock()
				got[ev.Node.Path] = true
				if len(got) == paths+1 {
					cancel()
				}
				mu.Unlock()
			}
		})
	}
	o.Snapshot(nil)
	for i := range paths {
		o.Put(node(fmt.Sprintf("/n/%d", i), uint64(i+1)))
	}
	wg.Wait()
	if len(got) != paths+1 {
		t.Errorf("%d readers of one Watcher got %d events, want %d", readers, len(got), paths+1)
	}
}
