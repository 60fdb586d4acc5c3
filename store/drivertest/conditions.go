package drivertest

import (
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store"
)

func testCreate(e *env) {
	t := e.table()
	made, err := t.Create(t.ctx, k("a"), []byte("one"))
	if err != nil {
		t.Fatalf("Create: %v", err)
	}
	_, err = t.Create(t.ctx, k("a"), []byte("two"))
	t.wantFault("Create where there is a record", err, fault.Conflict, store.ReasonExists)
	t.wantCurrent(err, made.Revision)
	t.wantFound(k("a"), "one")
	t.delete(k("a"))
	again, err := t.Create(t.ctx, k("a"), []byte("three"))
	if err != nil || again.Revision <= made.Revision {
		t.Fatalf("Create after Delete: want a revision above %d, got %+v, %v", made.Revision, again, err)
	}
}

// wantCurrent fails the test unless the refusal tells the revision that is there.
func (t table) wantCurrent(err error, revision uint64) {
	t.Helper()
	if got, ok := store.CurrentRevision(err); !ok || got != revision {
		t.Fatalf("CurrentRevision(%v): want %d, got %d, %v", err, revision, got, ok)
	}
	if !store.IsConflict(err) {
		t.Fatalf("IsConflict(%v): want true", err)
	}
}

func testCompareAndSet(e *env) {
	t := e.table()
	_, err := t.CompareAndSet(t.ctx, k("a"), nil, 1)
	t.wantFault("CompareAndSet where there is none", err, fault.NotFound, store.ReasonNotFound)
	if _, ok := store.CurrentRevision(err); ok || !store.IsConflict(err) {
		t.Fatalf("CompareAndSet where there is none: want a conflict without a current revision, got %v", err)
	}
	t.wantAbsent(k("a"))

	first := t.put(k("a"), "one")
	second, err := t.CompareAndSet(t.ctx, k("a"), []byte("two"), first.Revision)
	if err != nil || second.Revision <= first.Revision {
		t.Fatalf("CompareAndSet on revision %d: want a greater one, got %+v, %v", first.Revision, second, err)
	}
	for _, wrong := range []uint64{first.Revision, second.Revision + 1, 1 << 62} {
		_, err = t.CompareAndSet(t.ctx, k("a"), []byte("three"), wrong)
		t.wantFault("CompareAndSet on another revision", err, fault.Conflict, store.ReasonConflict)
		t.wantCurrent(err, second.Revision)
	}
	if got := t.get(k("a")); got.Revision != second.Revision || string(got.Value) != "two" {
		t.Fatalf("after refused writes: want %+v, got %+v", second, got)
	}
}

func testCompareAndDelete(e *env) {
	t := e.table()
	t.wantFault("CompareAndDelete where there is none", t.CompareAndDelete(t.ctx, k("a"), 1), fault.NotFound, store.ReasonNotFound)
	first := t.put(k("a"), "one")
	second := t.put(k("a"), "two")
	err := t.CompareAndDelete(t.ctx, k("a"), first.Revision)
	t.wantFault("CompareAndDelete on another revision", err, fault.Conflict, store.ReasonConflict)
	t.wantCurrent(err, second.Revision)
	t.wantFound(k("a"), "two")
	if err := t.CompareAndDelete(t.ctx, k("a"), second.Revision); err != nil {
		t.Fatalf("CompareAndDelete: %v", err)
	}
	t.wantAbsent(k("a"))
}

func testCreateRace(e *env) {
	const contenders = 8
	tables := []table{e.table(), e.table()}
	for round := range 10 {
		var won atomic.Int32
		var wg sync.WaitGroup
		for i := range contenders {
			wg.Go(func() {
				_, err := tables[i%2].Create(e.ctx, k(strconv.Itoa(round)), []byte(strconv.Itoa(i)))
				switch {
				case err == nil:
					won.Add(1)
				case fault.ReasonOf(err) != store.ReasonExists:
					e.Errorf("Create by contender %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			e.Fatalf("round %d: want one winner of %d, got %d", round, contenders, won.Load())
		}
	}
}

func testCounters(e *env) {
	const clients, each = 6, 25
	tables := []table{e.table(), e.table(), e.table()}
	tables[0].put(k("n"), "0")
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			for range each {
				if err := increment(tables[i%len(tables)], k("n")); err != nil {
					e.Errorf("client %d: %v", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
	tables[0].wantFound(k("n"), strconv.Itoa(clients*each))
}

// increment adds one to a counter, however many others do so at once.
func increment(t table, key store.Key) error {
	for {
		r, err := t.Get(t.ctx, key)
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(string(r.Value))
		if err != nil {
			return err
		}
		_, err = t.CompareAndSet(t.ctx, key, []byte(strconv.Itoa(n+1)), r.Revision)
		if err == nil || !store.IsConflict(err) {
			return err
		}
	}
}

func testRevisionsGrow(e *env) {
	t := e.table()
	last := uint64(0)
	for i := range 20 {
		r := t.put(k("a"), strconv.Itoa(i))
		if r.Revision <= last {
			t.Fatalf("write %d: want a revision above %d, got %d", i, last, r.Revision)
		}
		last = r.Revision
	}
	same := t.put(k("a"), "19")
	if same.Revision <= last {
		t.Fatalf("writing the same value again: want a revision above %d, got %d", last, same.Revision)
	}
}

func testRevisionsOutliveRecords(e *env) {
	t := e.table()
	last := t.put(k("a"), "v").Revision
	renew := func(after string) {
		t.Helper()
		r := t.put(k("a"), "v", store.TTL(store.MinTTL))
		if r.Revision <= last {
			t.Fatalf("revision after %s: want above %d, got %d", after, last, r.Revision)
		}
		last = r.Revision
	}
	for range 3 {
		t.delete(k("a"))
		renew("a delete")
		if _, err := t.Batch(t.ctx, "p", store.CompareAndDeleteOp("a", last)); err != nil {
			t.Fatalf("Batch: %v", err)
		}
		renew("a delete in a batch")
	}
	t.awaitExpiry(k("a"))
	renew("an expiry")
}

func testRevisionsOutliveRestarts(e *env) {
	l := e.link()
	last := uint64(0)
	for range 3 {
		r := l.table().put(k("a"), "v")
		if r.Revision <= last {
			e.Fatalf("revision after a restart: want above %d, got %d", last, r.Revision)
		}
		last = r.Revision
		l.table().delete(k("a"))
		e.restart()
	}
}
