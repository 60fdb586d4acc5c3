package drivertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/hansom-platform/hansom/coord"
	"github.com/hansom-platform/hansom/fault"
)

// view is what a Watcher has told so far, put together.
type view struct {
	*env
	watcher *coord.Watcher
	nodes   map[string]coord.Node
	synced  bool
	events  []coord.Event
}

func (e *env) watch(c *coord.Coord, prefix string) *view {
	e.Helper()
	w, err := c.Watch(e.ctx, prefix)
	if err != nil {
		e.Fatalf("Watch(%s): %v", prefix, err)
	}
	e.Cleanup(w.Close)
	return &view{env: e, watcher: w, nodes: make(map[string]coord.Node)}
}

// step takes in one event and checks that it makes sense after those before.
func (v *view) step(ctx context.Context) error {
	ev, err := v.watcher.Next(ctx)
	if err != nil {
		return err
	}
	v.events = append(v.events, ev)
	known, exists := v.nodes[ev.Node.Path]
	switch ev.Kind {
	case coord.NodePut:
		if ev.Node.Revision <= known.Revision {
			v.Errorf("put of %s at revision %d after revision %d", ev.Node.Path, ev.Node.Revision, known.Revision)
		}
		v.nodes[ev.Node.Path] = ev.Node
	case coord.NodeDeleted:
		if !exists {
			v.Errorf("deletion of %s, which was not told to exist", ev.Node.Path)
		}
		if ev.Node.Revision < known.Revision {
			v.Errorf("deletion of %s at revision %d after revision %d", ev.Node.Path, ev.Node.Revision, known.Revision)
		}
		delete(v.nodes, ev.Node.Path)
	case coord.SnapshotDone:
		if v.synced {
			v.Error("a second SnapshotDone")
		}
		v.synced = true
	}
	return nil
}

// until takes in events until cond holds.
func (v *view) until(what string, cond func(*view) bool) {
	v.Helper()
	ctx, cancel := context.WithTimeout(v.ctx, patience)
	defer cancel()
	for !cond(v) {
		if err := v.step(ctx); err != nil {
			v.Fatalf("waited until %s; the watch told %s, then: %v", what, v.history(), err)
		}
	}
}

func (v *view) history() string {
	s := fmt.Sprintf("%d events:", len(v.events))
	for _, ev := range v.events[max(0, len(v.events)-20):] {
		s += fmt.Sprintf(" %v %s@%d", ev.Kind, ev.Node.Path, ev.Node.Revision)
	}
	return s
}

func synced(v *view) bool { return v.synced }

func has(path string) func(*view) bool {
	return func(v *view) bool { _, ok := v.nodes[path]; return ok }
}

func lacks(path string) func(*view) bool {
	return func(v *view) bool { return !has(path)(v) }
}

func holds(path, data string) func(*view) bool {
	return func(v *view) bool { return string(v.nodes[path].Data) == data }
}

// equals reports whether the view is exactly these nodes.
func equals(want []coord.Node) func(*view) bool {
	return func(v *view) bool {
		if len(v.nodes) != len(want) {
			return false
		}
		for _, n := range want {
			if got, ok := v.nodes[n.Path]; !ok || got.Revision != n.Revision {
				return false
			}
		}
		return true
	}
}

func testWatchSnapshotThenChanges(e *env) {
	c, other := e.connect(), e.connect()
	s := e.session(other, longTTL)
	first := e.put(other, "/w/a", "1")
	e.create(s, "/w/e", "x")
	v := e.watch(c, "/w")
	v.until("the snapshot is done", synced)
	if len(v.events) != 3 || len(v.nodes) != 2 || v.nodes["/w/a"].Revision != first.Revision || v.nodes["/w/e"].Session != s.ID() {
		e.Fatalf("snapshot of two nodes: %s; nodes %v", v.history(), v.nodes)
	}
	e.put(other, "/w/a", "2")
	v.until("the change is told", holds("/w/a", "2"))
	e.put(other, "/w/b", "3")
	v.until("the new node is told", holds("/w/b", "3"))
	if err := other.Delete(e.ctx, "/w/a"); err != nil {
		e.Fatalf("Delete: %v", err)
	}
	v.until("the deletion is told", lacks("/w/a"))
	if got := v.events[len(v.events)-1].Node; len(got.Data) != 0 {
		e.Errorf("deletion carries data %q, want none", got.Data)
	}
	e.put(other, "/w/a", "4")
	v.until("the reborn node is told", holds("/w/a", "4"))

	late := e.watch(c, "/w")
	late.until("the snapshot is done", synced)
	if len(late.nodes) != 3 {
		e.Errorf("snapshot of a second watch: %s, want three nodes", late.history())
	}
}

func testWatchPrefixOnly(e *env) {
	c := e.connect()
	e.put(c, "/a/b", "")
	exact, all, none := e.watch(c, "/a/b"), e.watch(c, "/"), e.watch(c, "/none")
	for _, p := range []string{"/a", "/a/bb", "/a/c", "/a/b/c", "/a/b.c", "/z"} {
		e.put(c, p, "")
	}
	all.until("the last node is told", has("/z"))
	exact.until("the node below is told", has("/a/b/c"))
	none.until("the empty snapshot is done", synced)
	if len(exact.nodes) != 2 {
		e.Errorf("watch of /a/b told of %v, want /a/b and /a/b/c", exact.nodes)
	}
	if len(all.nodes) != 7 {
		e.Errorf("watch of / told of %v, want all 7", all.nodes)
	}
	if len(none.events) != 1 {
		e.Errorf("watch of /none: %s, want SnapshotDone only", none.history())
	}
}

func testWatchEphemeralEnds(e *env) {
	c, other := e.connect(), e.connect()
	v := e.watch(c, "/e")
	s := e.session(other, longTTL)
	e.create(s, "/e/a", "")
	e.create(s, "/e/b", "")
	v.until("both are told", func(v *view) bool { return len(v.nodes) == 2 })
	heir := e.session(c, longTTL)
	if _, err := heir.Set(e.ctx, "/e/b", []byte("taken")); err != nil {
		e.Fatalf("Set: %v", err)
	}
	if err := s.Close(e.ctx); err != nil {
		e.Fatalf("Close: %v", err)
	}
	v.until("the closed session's node is gone", lacks("/e/a"))
	v.until("the taken node is told", holds("/e/b", "taken"))

	mortal, abandon := e.connectMortal()
	e.create(e.session(mortal, e.caps.MinTTL), "/e/c", "")
	v.until("the mortal's node is told", has("/e/c"))
	abandon()
	v.until("the abandoned node is gone", lacks("/e/c"))
	if !has("/e/b")(v) {
		e.Errorf("the taken node went with its former owner: %s", v.history())
	}
}

func testWatchReconcilesAfterRestart(e *env) {
	c, other := e.connect(), e.connect()
	e.put(other, "/w/stays", "1")
	e.put(other, "/w/goes", "1")
	e.put(other, "/w/changes", "1")
	v := e.watch(c, "/w")
	v.until("the snapshot is done", synced)
	told := len(v.events)
	e.restart()
	e.put(other, "/w/changes", "2")
	e.put(other, "/w/comes", "1")
	if err := other.Delete(e.ctx, "/w/goes"); err != nil {
		e.Fatalf("Delete: %v", err)
	}
	want, err := other.List(e.ctx, "/w")
	if err != nil {
		e.Fatalf("List: %v", err)
	}
	v.until("all changes are told", equals(want))
	for _, ev := range v.events[told:] {
		if ev.Node.Path == "/w/stays" {
			e.Errorf("told of the unchanged /w/stays again: %s", v.history())
		}
	}
}

func testWatchMissesNoFinalState(e *env) {
	const writers, paths, watchers = 4, 24, 4
	reader := e.connect()
	views := make([]*view, watchers)
	for i := range views {
		views[i] = e.watch(e.connect(), "/churn")
	}
	stop := make(chan struct{})
	var churn sync.WaitGroup
	for i := range writers {
		c := e.connect()
		churn.Go(func() { e.churn(c, "/churn", paths, uint64(i), stop) })
	}
	for range 2 {
		for i := range 30 {
			e.await(fmt.Sprintf("put %d of the reader is accepted", i), patience, func() bool {
				_, err := reader.Put(e.ctx, "/churn/reader", []byte(strconv.Itoa(i)))
				return err == nil
			})
		}
		e.restart()
	}
	close(stop)
	churn.Wait()
	want, err := reader.List(e.ctx, "/churn")
	if err != nil {
		e.Fatalf("List: %v", err)
	}
	for i, v := range views {
		v.until(fmt.Sprintf("watcher %d holds the final state of %d nodes", i, len(want)), equals(want))
	}
}

// churn writes and deletes at random until stop, through failures, and leaves
// nodes of an own session behind.
func (e *env) churn(c *coord.Coord, root string, paths int, seed uint64, stop <-chan struct{}) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	var s *coord.Session
	for i := 0; isOpen(stop) && e.ctx.Err() == nil; i++ {
		if s == nil || !isOpen(s.Done()) {
			s, _ = c.NewSession(e.ctx, longTTL)
		}
		path := root + "/" + strconv.Itoa(rnd.IntN(paths))
		data := []byte(fmt.Sprintf("%d-%d", seed, i))
		switch what := rnd.IntN(12); {
		case what < 5:
			_, _ = c.Put(e.ctx, path, data)
		case what < 8:
			_ = c.Delete(e.ctx, path)
		case what < 11 && s != nil:
			_, _ = s.Set(e.ctx, path, data)
		case s != nil:
			_ = s.Close(e.ctx)
		}
	}
}

func testSlowWatcher(e *env) {
	c, writer := e.connect(), e.connect()
	slow, quick := e.watch(c, "/w"), e.watch(c, "/w")
	quick.until("the snapshot is done", synced)
	const paths, rounds = 10, 60
	for i := range rounds {
		for p := range paths {
			e.put(writer, "/w/"+strconv.Itoa(p), strconv.Itoa(i))
		}
		passing := "/w/passing-" + strconv.Itoa(i)
		e.put(writer, passing, "")
		if err := writer.Delete(e.ctx, passing); err != nil {
			e.Fatalf("Delete: %v", err)
		}
	}
	want, err := writer.List(e.ctx, "/w")
	if err != nil {
		e.Fatalf("List: %v", err)
	}
	quick.until("the quick watcher holds the final state", equals(want))
	slow.until("the slow watcher holds the final state", func(v *view) bool { return v.synced && equals(want)(v) })
	if len(slow.events) > paths+2 {
		e.Errorf("a watcher that was not read for %d writes to %d paths was told %d events, want at most one for each path: %s",
			rounds*paths, paths, len(slow.events), slow.history())
	}
}

func testWatchClose(e *env) {
	c := e.connect()
	v := e.watch(c, "/w")
	v.until("the snapshot is done", synced)
	ctx, cancel := context.WithTimeout(e.ctx, 20*time.Millisecond)
	defer cancel()
	_, err := v.watcher.Next(ctx)
	e.wantCode("Next whose context ended", err, fault.Timeout)
	e.put(c, "/w/a", "")
	v.until("the watcher is usable after that", has("/w/a"))
	time.AfterFunc(10*time.Millisecond, v.watcher.Close)
	if _, err = v.watcher.Next(e.ctx); !errors.Is(err, coord.ErrClosed) {
		e.Errorf("Next while the watcher is closed: %v, want ErrClosed in its chain", err)
	}
	v.watcher.Close()

	w2 := e.watch(c, "/w")
	w2.until("the snapshot is done", synced)
	if err := c.Close(e.ctx); err != nil {
		e.Fatalf("Coord.Close: %v", err)
	}
	if _, err = w2.watcher.Next(e.ctx); !errors.Is(err, coord.ErrClosed) {
		e.Errorf("Next after Coord.Close: %v, want ErrClosed in its chain", err)
	}
}

func testConcurrentUse(e *env) {
	const goroutines, rounds = 8, 15
	conns := []*coord.Coord{e.connect(), e.connect()}
	v := e.watch(conns[0], "/c")
	var wg sync.WaitGroup
	for i := range goroutines {
		c, mine := conns[i%len(conns)], "/c/"+strconv.Itoa(i)
		wg.Go(func() { e.useAll(c, mine, rounds) })
	}
	wg.Wait()
	want, err := conns[0].List(e.ctx, "/c")
	if err != nil {
		e.Fatalf("List: %v", err)
	}
	if len(want) != goroutines {
		e.Errorf("%d nodes are left, want %d: %v", len(want), goroutines, want)
	}
	v.until("the watch holds the final state", func(v *view) bool { return v.synced && equals(want)(v) })
}

// useAll uses one of everything, again and again, under one path, where it
// leaves one persistent node.
func (e *env) useAll(c *coord.Coord, mine string, rounds int) {
	for i := range rounds {
		s, err := c.NewSession(e.ctx, longTTL)
		if err != nil {
			e.Errorf("NewSession: %v", err)
			return
		}
		_, perr := c.Put(e.ctx, mine, []byte(strconv.Itoa(i)))
		_, cerr := s.Create(e.ctx, mine+"/e", nil)
		_, lerr := c.List(e.ctx, mine)
		_, gerr := c.Get(e.ctx, mine+"/e")
		w, werr := c.Watch(e.ctx, mine)
		if err := errors.Join(perr, cerr, lerr, gerr, werr); err != nil {
			e.Errorf("round %d on %s: %v", i, mine, err)
			return
		}
		if _, err := w.Next(e.ctx); err != nil {
			e.Errorf("Next: %v", err)
		}
		w.Close()
		if err := s.Close(e.ctx); err != nil {
			e.Errorf("Close: %v", err)
		}
	}
}
