package drivertest

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store"
)

func testBatch(e *env) {
	t := e.table()
	a, b := t.put(k("a"), "old"), t.put(k("b"), "old")
	t.put(k("c"), "old")
	got, err := t.Batch(t.ctx, "p",
		store.CompareAndSetOp("a", []byte("set"), a.Revision),
		store.CompareAndDeleteOp("b", b.Revision),
		store.DeleteOp("c"),
		store.DeleteOp("none"),
		store.CreateOp("d", []byte("made")),
		store.PutOp("", []byte("put")),
	)
	if err != nil {
		t.Fatalf("Batch: %v", err)
	}
	for i, want := range []struct{ key, value string }{{"a", "set"}, {"b", ""}, {"c", ""}, {"none", ""}, {"d", "made"}, {"", "put"}} {
		r, deleted := got[i], want.value == ""
		if r.Key != k(want.key) || string(r.Value) != want.value || (r.Revision == 0) != deleted {
			t.Fatalf("result %d: want %+v (deleted: %v), got %+v", i, want, deleted, r)
		}
		if deleted {
			t.wantAbsent(k(want.key))
		} else if found := t.get(k(want.key)); found.Revision != r.Revision || string(found.Value) != want.value {
			t.Fatalf("after the batch: want %+v, got %+v", r, found)
		}
	}
	t.wantKeys(store.Range{}, []string{"", "a", "d"})
}

func testBatchAllOrNothing(e *env) {
	t := e.table()
	a := t.put(k("a"), "old")
	b := t.put(k("b"), "old")
	for _, c := range []struct {
		name   string
		last   store.Op
		code   fault.Code
		reason string
	}{
		{"create", store.CreateOp("b", nil), fault.Conflict, store.ReasonExists},
		{"compare-and-set", store.CompareAndSetOp("b", nil, b.Revision+1), fault.Conflict, store.ReasonConflict},
		{"compare-and-delete", store.CompareAndDeleteOp("b", b.Revision+1), fault.Conflict, store.ReasonConflict},
		{"compare-and-set of nothing", store.CompareAndSetOp("n", nil, 1), fault.NotFound, store.ReasonNotFound},
		{"a value too large", store.PutOp("n", make([]byte, store.MaxValue+1)), fault.BadRequest, store.ReasonValue},
	} {
		_, err := t.Batch(t.ctx, "p", store.PutOp("new", []byte("new")), store.DeleteOp("a"), c.last)
		t.wantFault("Batch that ends in a refused "+c.name, err, c.code, c.reason)
		t.wantAbsent(k("new"))
		if got := t.get(k("a")); got.Revision != a.Revision {
			t.Fatalf("after a refused batch: want a at revision %d, got %+v", a.Revision, got)
		}
		if c.reason == store.ReasonConflict || c.reason == store.ReasonExists {
			t.wantCurrent(err, b.Revision)
		}
	}
}

func testBatchJudgesStateBefore(e *env) {
	t := e.table()
	a := t.put(k("a"), "old")
	_, err := t.Batch(t.ctx, "p", store.CreateOp("b", nil), store.CompareAndSetOp("a", nil, a.Revision+1), store.CreateOp("a", nil))
	t.wantFault("a batch with one key twice", err, fault.BadRequest, store.ReasonBatch)
	_, err = t.Batch(t.ctx, "p", store.CreateOp("a", nil), store.CompareAndSetOp("b", nil, 7))
	t.wantFault("a batch with two refused conditions: the first tells", err, fault.Conflict, store.ReasonExists)
	_, err = t.Batch(t.ctx, "p", store.CompareAndSetOp("b", nil, 7), store.CreateOp("a", nil))
	t.wantFault("a batch with two refused conditions: the first tells", err, fault.NotFound, store.ReasonNotFound)
}

func testLargestBatch(e *env) {
	t := e.table()
	ops := make([]store.Op, store.MaxOps)
	for i := range ops {
		ops[i] = store.PutOp(fmt.Sprintf("%03d", i), bytes.Repeat([]byte{byte(i)}, store.MaxBatch/store.MaxOps))
	}
	if _, err := t.Batch(t.ctx, "p", ops...); err != nil {
		t.Fatalf("Batch of %d operations and %d bytes: %v", store.MaxOps, store.MaxBatch, err)
	}
	if got := t.all("p", store.Range{}); len(got) != store.MaxOps {
		t.Fatalf("after the batch: want %d records, got %d", store.MaxOps, len(got))
	}
}

func testBatchIsolation(e *env) {
	writer, reader := e.table(), e.table()
	write := func(n int) error {
		v := fmt.Append(nil, n)
		_, err := writer.Batch(e.ctx, "p", store.PutOp("a", v), store.PutOp("b", v), store.PutOp("c", v))
		return err
	}
	if err := write(0); err != nil {
		e.Fatalf("Batch: %v", err)
	}
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Go(func() {
		defer close(done)
		for n := range 100 {
			if err := write(n); err != nil {
				e.Errorf("Batch: %v", err)
				return
			}
		}
	})
	for reading := true; reading; {
		select {
		case <-done:
			reading = false
		default:
		}
		r := reader.page("p", store.Range{}).Records
		if len(r) != 3 || !bytes.Equal(r[0].Value, r[1].Value) || !bytes.Equal(r[1].Value, r[2].Value) {
			e.Errorf("Range amid batches: want three equal values, got %+v", r)
			break
		}
	}
	wg.Wait()
}
