package drivertest

import (
	"bytes"
	"strings"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store"
)

func testPutGetDelete(e *env) {
	t := e.table()
	key := k("a")
	t.wantAbsent(key)
	t.delete(key) // no record: no error

	put := t.put(key, "one")
	if put.Key != key || string(put.Value) != "one" || put.Revision == 0 || !put.Expires.IsZero() {
		t.Fatalf("Put: want %v with value one, a revision and no expiry, got %+v", key, put)
	}
	if got := t.get(key); got.Revision != put.Revision || string(got.Value) != "one" || !got.Expires.IsZero() {
		t.Fatalf("Get after Put: want %+v, got %+v", put, got)
	}
	t.put(key, "two")
	t.wantFound(key, "two")
	t.delete(key)
	t.wantAbsent(key)
	t.delete(key)
	if err := t.open().Check(t.ctx); err != nil {
		t.Fatalf("Check: %v", err)
	}
}

func testValues(e *env) {
	t := e.table()
	binary := make([]byte, 256)
	for i := range binary {
		binary[i] = byte(i)
	}
	for name, value := range map[string][]byte{
		"nil":     nil,
		"empty":   {},
		"binary":  binary,
		"nuls":    make([]byte, 10),
		"page":    bytes.Repeat([]byte("x"), 4096),
		"largest": bytes.Repeat([]byte{0xff, 0}, store.MaxValue/2),
	} {
		if _, err := t.Put(t.ctx, k(name), value); err != nil {
			t.Fatalf("Put of value %s: %v", name, err)
		}
		if got := t.get(k(name)); !bytes.Equal(got.Value, value) {
			t.Fatalf("value %s: want the %d bytes put, got %d others", name, len(value), len(got.Value))
		}
	}
}

func testKeys(e *env) {
	t := e.table()
	texts := []string{
		"a", " ", "a b", "'", `"`, `\`, "%", "_", "*", "?", "--", "a\nb", "\x01", "\x7f", "é", "e\u0301", "日本", "😀",
		"\ufeff", "\uffff", "\U0010ffff", strings.Repeat("z", store.MaxKey), strings.Repeat("😀", store.MaxKey/4),
	}
	for _, s := range texts {
		t.put(store.Key{Partition: s, Clustering: s}, "both "+s)
		t.put(store.Key{Partition: s}, "empty "+s)
	}
	for _, s := range texts {
		t.wantFound(store.Key{Partition: s, Clustering: s}, "both "+s)
		t.wantFound(store.Key{Partition: s}, "empty "+s)
		if got := t.all(s, store.Range{}); len(got) != 2 || got[0] != "" || got[1] != s {
			t.Fatalf("Range of partition %q: want the keys %q, got %q", s, []string{"", s}, got)
		}
	}
}

func testApart(e *env) {
	s := e.open()
	one, other := table{e, s.Table("one")}, table{e, s.Table("one_1")}
	keys := []store.Key{at("p", "a"), at("p", "b"), at("pa", ""), at("p", ""), at("P", "a")}
	for _, key := range keys {
		one.put(key, "one "+key.Partition+"/"+key.Clustering)
	}
	for _, key := range keys {
		other.wantAbsent(key)
		one.wantFound(key, "one "+key.Partition+"/"+key.Clustering)
	}
	other.put(keys[0], "other")
	one.delete(keys[0])
	other.wantFound(keys[0], "other")
	one.wantFound(keys[1], "one p/b")
	if got := one.all("p", store.Range{}); len(got) != 2 {
		t := one
		t.Fatalf("Range of partition p: want its keys [\"\" b], got %q", got)
	}
}

func testBadArguments(e *env) {
	t := e.table()
	good := t.put(k("a"), "v").Revision
	long := strings.Repeat("x", store.MaxKey+1)
	for name, key := range map[string]store.Key{
		"empty partition":   at("", "a"),
		"long partition":    at(long, "a"),
		"long clustering":   at("p", long),
		"NUL":               at("p", "a\x00b"),
		"NUL in partition":  at("a\x00b", "a"),
		"not UTF-8":         at("p", "\xff"),
		"partition invalid": at("\xc3\x28", "a"),
	} {
		_, err := t.Get(t.ctx, key)
		t.wantFault("Get with key: "+name, err, fault.BadRequest, store.ReasonKey)
		_, err = t.Put(t.ctx, key, nil)
		t.wantFault("Put with key: "+name, err, fault.BadRequest, store.ReasonKey)
		t.wantFault("Delete with key: "+name, t.Delete(t.ctx, key), fault.BadRequest, store.ReasonKey)
		_, err = t.Batch(t.ctx, key.Partition, store.PutOp(key.Clustering, nil))
		t.wantFault("Batch with key: "+name, err, fault.BadRequest, store.ReasonKey)
	}
	_, err := t.Put(t.ctx, k("a"), make([]byte, store.MaxValue+1))
	t.wantFault("Put of too large a value", err, fault.BadRequest, store.ReasonValue)
	for _, d := range []time.Duration{-time.Second, 0, 1, store.MinTTL - 1, store.MaxTTL + 1} {
		_, err = t.Put(t.ctx, k("a"), nil, store.TTL(d))
		t.wantFault("Put with TTL "+d.String(), err, fault.BadRequest, store.ReasonTTL)
	}
	_, err = t.CompareAndSet(t.ctx, k("a"), nil, 0)
	t.wantFault("CompareAndSet on revision 0", err, fault.BadRequest, store.ReasonRevision)
	t.wantFault("CompareAndDelete on revision 0", t.CompareAndDelete(t.ctx, k("a"), 0), fault.BadRequest, store.ReasonRevision)
	for _, limit := range []int{-1, store.MaxLimit + 1} {
		_, err = t.Range(t.ctx, "p", store.Range{Limit: limit})
		t.wantFault("Range with a bad limit", err, fault.BadRequest, store.ReasonRange)
	}
	badBatches(t)
	if got := t.get(k("a")); got.Revision != good {
		t.Fatalf("after refused writes: want the record at revision %d, got %+v", good, got)
	}
}

func badBatches(t table) {
	many := make([]store.Op, store.MaxOps+1)
	for i := range many {
		many[i] = store.DeleteOp(strings.Repeat("x", i+1))
	}
	large := make([]store.Op, store.MaxBatch/store.MaxValue+1)
	for i := range large {
		large[i] = store.PutOp(strings.Repeat("x", i+1), make([]byte, store.MaxValue))
	}
	for name, ops := range map[string][]store.Op{
		"too many operations": many,
		"too many bytes":      large,
		"one key twice":       {store.PutOp("a", nil), store.DeleteOp("a")},
		"no operation":        {{}},
	} {
		_, err := t.Batch(t.ctx, "p", ops...)
		t.wantFault("Batch with "+name, err, fault.BadRequest, store.ReasonBatch)
	}
	if got, err := t.Batch(t.ctx, "p"); err != nil || len(got) != 0 {
		t.Fatalf("Batch of nothing: want nothing, got %v, %v", got, err)
	}
}

func testSlicesAreNotShared(e *env) {
	t := e.table()
	value := []byte("before")
	put, err := t.Put(t.ctx, k("a"), value)
	if err != nil {
		t.Fatalf("Put: %v", err)
	}
	copy(value, "AFTER!")
	copy(put.Value, "AFTER!")
	first := t.get(k("a"))
	copy(first.Value, "AFTER!")
	t.wantFound(k("a"), "before")
	copy(t.page("p", store.Range{}).Records[0].Value, "AFTER!")
	t.wantFound(k("a"), "before")
}

func testReadsSeeWrites(e *env) {
	a, b := e.table(), e.table()
	for range 50 {
		r := a.put(k("a"), "v")
		if got := b.get(k("a")); got.Revision != r.Revision {
			e.Fatalf("a read that starts after a write returned: want revision %d, got %d", r.Revision, got.Revision)
		}
		b.delete(k("a"))
		a.wantAbsent(k("a"))
	}
}

func testWritesOutliveRestarts(e *env) {
	l := e.link()
	r := l.table().put(k("a"), "a")
	l.table().put(k("b"), "b")
	l.table().delete(k("b"))
	for range 3 {
		e.restart()
		if got := l.table().get(k("a")); got.Revision != r.Revision || string(got.Value) != "a" {
			e.Fatalf("after a restart: want %+v, got %+v", r, got)
		}
		l.table().wantAbsent(k("b"))
	}
}

// isUncertain reports whether a write that failed so may have been applied.
func isUncertain(err error) bool {
	return fault.Is(err, fault.Unavailable) || fault.Is(err, fault.Timeout)
}
