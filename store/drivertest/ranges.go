package drivertest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store"
)

func testRangeOrder(e *env) {
	t := e.table()
	keys := []string{"", "\x01", "\t", " ", "!", "0", "00", "1", "10", "2", "A", "Z", "a", "a\x01", "a ", "aa", "ab", "b", "z", "~",
		"\x7f", "é", "e\u0301", "日", "\uffff", "😀", "\U0010ffff"}
	slices.Sort(keys)
	for _, i := range []int{13, 2, 26, 0, 7, 20, 5} { // not in order
		t.put(k(keys[i]), keys[i])
	}
	for _, key := range keys {
		t.put(k(key), key)
	}
	t.put(store.Key{Partition: "o", Clustering: "zz"}, "a neighbour")
	t.put(store.Key{Partition: "p\x01", Clustering: ""}, "a neighbour")
	t.wantKeys(store.Range{}, keys)
	backwards := slices.Clone(keys)
	slices.Reverse(backwards)
	t.wantKeys(store.Range{Reverse: true}, backwards)
	if got := t.page("none", store.Range{}); len(got.Records) != 0 || got.Continue != "" {
		t.Fatalf("Range of an empty partition: want nothing, got %+v", got)
	}
}

// wantKeys fails the test unless a range of partition p has these clustering keys, whatever the size of pages.
func (t table) wantKeys(r store.Range, want []string) {
	t.Helper()
	for _, limit := range []int{1, 2, 3, max(len(want), 1), len(want) + 1, store.MaxLimit} {
		r.Limit = limit
		if got := t.all("p", r); !slices.Equal(got, want) {
			t.Fatalf("All(%+v): want %q, got %q", r, want, got)
		}
	}
}

func testRangeBounds(e *env) {
	t := e.table()
	for _, key := range []string{"", "a", "a/1", "a/2", "a0", "b", "b/1", "é"} {
		t.put(k(key), key)
	}
	for _, c := range []struct {
		r    store.Range
		want []string
	}{
		{store.Range{From: "a"}, []string{"a", "a/1", "a/2", "a0", "b", "b/1", "é"}},
		{store.Range{To: "a"}, []string{""}},
		{store.Range{From: "a/1", To: "b"}, []string{"a/1", "a/2", "a0"}},
		{store.Range{From: "a/11", To: "b\x01"}, []string{"a/2", "a0", "b"}},
		{store.Range{From: "b", To: "b"}, nil},
		{store.Range{From: "z", To: "a"}, nil},
		{store.Range{From: "\xff"}, nil},
		{store.Range{Prefix: "a"}, []string{"a", "a/1", "a/2", "a0"}},
		{store.Range{Prefix: "a/"}, []string{"a/1", "a/2"}},
		{store.Range{Prefix: "a/", From: "a/2"}, []string{"a/2"}},
		{store.Range{Prefix: "a/", From: "A", To: "a/2"}, []string{"a/1"}},
		{store.Range{Prefix: "a/", To: "z"}, []string{"a/1", "a/2"}},
		{store.Range{Prefix: "é"}, []string{"é"}},
		{store.Range{Prefix: "\xc3"}, []string{"é"}}, // bounds are bytes
		{store.Range{Prefix: "x"}, nil},
	} {
		t.wantKeys(c.r, c.want)
		slices.Reverse(c.want)
		c.r.Reverse = true
		t.wantKeys(c.r, c.want)
	}
}

// fill puts n records into partition p and returns their clustering keys in order.
func (t table) fill(n int) []string {
	t.Helper()
	keys := make([]string, n)
	ops := make([]store.Op, n)
	for i := range n {
		keys[i] = fmt.Sprintf("%04d", i)
		ops[i] = store.PutOp(keys[i], []byte("value "+keys[i]))
	}
	for part := range slices.Chunk(ops, store.MaxOps) {
		if _, err := t.Batch(t.ctx, "p", part...); err != nil {
			t.Fatalf("Batch: %v", err)
		}
	}
	return keys
}

func testRangePages(e *env) {
	t := e.table()
	keys := t.fill(250)
	first := t.page("p", store.Range{})
	if len(first.Records) != store.DefaultLimit || first.Continue == "" {
		t.Fatalf("Range without a limit: want %d records and a continuation, got %d, %q",
			store.DefaultLimit, len(first.Records), first.Continue)
	}
	for _, r := range first.Records {
		if string(r.Value) != "value "+r.Key.Clustering || r.Key.Partition != "p" || r.Revision == 0 {
			t.Fatalf("Range: want each record whole, got %+v", r)
		}
	}
	exact := t.page("p", store.Range{Limit: len(keys)})
	if len(exact.Records) != len(keys) || exact.Continue != "" {
		t.Fatalf("Range of exactly all: want %d records and no continuation, got %d, %q", len(keys), len(exact.Records), exact.Continue)
	}
	rest := t.page("p", store.Range{Limit: store.MaxLimit, Continue: first.Continue})
	if got := rest.Records[0].Key.Clustering; len(rest.Records) != 150 || got != keys[100] {
		t.Fatalf("Range with another limit from a continuation: want 150 records from %s, got %d from %s", keys[100], len(rest.Records), got)
	}
}

func testRangeAmidWrites(e *env) {
	t, other := e.table(), e.table()
	steady := t.fill(300)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { // makes and deletes records between the steady ones
		for i := 0; ; i = (i + 37) % 300 {
			select {
			case <-stop:
				return
			default:
			}
			key := k(steady[i] + "+")
			if _, err := other.Put(t.ctx, key, nil); err != nil {
				t.Errorf("Put: %v", err)
				return
			}
			if err := other.Delete(t.ctx, key); err != nil {
				t.Errorf("Delete: %v", err)
				return
			}
		}
	})
	for _, r := range []store.Range{{Limit: 7}, {Limit: 7, Reverse: true}, {Limit: 100}} {
		got := t.all("p", r)
		if r.Reverse {
			slices.Reverse(got)
		}
		if !slices.IsSorted(got) {
			t.Errorf("All(%+v) amid writes: want order kept, got %q", r, got)
		}
		if len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Errorf("All(%+v) amid writes: want no key twice, got %q", r, got)
		}
		got = slices.DeleteFunc(got, func(key string) bool { return strings.HasSuffix(key, "+") })
		if len(got) != len(steady) {
			t.Errorf("All(%+v) amid writes: want all %d steady records, got %d", r, len(steady), len(got))
		}
	}
	close(stop)
	wg.Wait()

	page := t.page("p", store.Range{Limit: 10})
	t.delete(k(steady[9])) // the very record that the continuation stands on
	if got := t.page("p", store.Range{Limit: 1, Continue: page.Continue}).Records[0].Key.Clustering; got != steady[10] {
		t.Fatalf("continuing after the last record was deleted: want %s, got %s", steady[10], got)
	}
}

func testRangeAfterRestart(e *env) {
	l := e.link()
	keys := l.table().fill(20)
	page := l.table().page("p", store.Range{Limit: 5, Reverse: true})
	e.restart()
	next := l.table().page("p", store.Range{Limit: 5, Reverse: true, Continue: page.Continue})
	if got := next.Records[0].Key.Clustering; got != keys[14] {
		e.Fatalf("continuing after a restart: want %s, got %s", keys[14], got)
	}
}

func testRangeLargeValues(e *env) {
	t := e.table()
	const n = 10
	for i := range n {
		if _, err := t.Put(t.ctx, k(fmt.Sprint(i)), bytes.Repeat([]byte{byte(i)}, store.MaxValue)); err != nil {
			t.Fatalf("Put: %v", err)
		}
	}
	page := t.page("p", store.Range{})
	if len(page.Records) == 0 || len(page.Records) == n || page.Continue == "" {
		t.Fatalf("Range of %d MiB: want a part of it and a continuation, got %d records, %q", n, len(page.Records), page.Continue)
	}
	if got := t.all("p", store.Range{Reverse: true}); len(got) != n {
		t.Fatalf("All of %d MiB: want %d records, got %q", n, n, got)
	}
}

func testForeignContinuations(e *env) {
	s := e.open()
	t := table{e, s.Table("things")}
	t.fill(10)
	mine := store.Range{Limit: 2, From: "0001", To: "0009"}
	token := t.page("p", mine).Continue
	foreign := map[string]store.Range{
		"another from":      {From: "0002", To: "0009"},
		"another to":        {From: "0001", To: "0008"},
		"another direction": {From: "0001", To: "0009", Reverse: true},
		"another prefix":    {From: "0001", To: "0009", Prefix: "0"},
	}
	for name, r := range foreign {
		r.Continue = token
		_, err := t.Range(t.ctx, "p", r)
		t.wantFault("a continuation with "+name, err, fault.BadRequest, store.ReasonContinue)
	}
	mine.Continue = token
	_, err := t.Range(t.ctx, "q", mine)
	t.wantFault("a continuation of another partition", err, fault.BadRequest, store.ReasonContinue)
	_, err = s.Table("others").Range(t.ctx, "p", mine)
	t.wantFault("a continuation of another table", err, fault.BadRequest, store.ReasonContinue)
	for _, garbage := range []string{"x", "!!!!", token + "A", token[1:], strings.Repeat("A", 2000)} {
		mine.Continue = garbage
		_, err := t.Range(t.ctx, "p", mine)
		if err != nil {
			t.wantFault(fmt.Sprintf("the continuation %.20q", garbage), err, fault.BadRequest, store.ReasonContinue)
		}
	}
}

func testAllStops(e *env) {
	t := e.table()
	keys := t.fill(30)
	seen := 0
	for r, err := range t.All(t.ctx, "p", store.Range{Limit: 10}) {
		if err != nil || r.Key.Clustering != keys[seen] {
			t.Fatalf("All, record %d: want %s, got %v, %v", seen, keys[seen], r.Key, err)
		}
		if seen++; seen == 15 {
			break
		}
	}
	calls := 0
	for _, err := range t.All(t.ctx, "", store.Range{}) {
		calls++
		t.wantFault("All of a bad partition", err, fault.BadRequest, store.ReasonKey)
	}
	if calls != 1 {
		t.Fatalf("All of a bad partition: want one error, got %d", calls)
	}
}
