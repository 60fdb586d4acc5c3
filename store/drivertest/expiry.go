package drivertest

import (
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store"
)

// awaitExpiry waits until the record at key, which has the shortest ttl, is gone.
func (t table) awaitExpiry(key store.Key) {
	t.Helper()
	r, err := t.Get(t.ctx, key)
	if err != nil {
		return // already
	}
	t.await("the record expires", func() bool {
		_, err := t.Get(t.ctx, key)
		if late := time.Since(r.Expires); err == nil && late > t.caps.ExpirySlack+time.Second {
			t.Fatalf("Get(%v): found %v after it expired; want at most %v", key, late, t.caps.ExpirySlack)
		}
		return fault.Is(err, fault.NotFound)
	})
}

func testExpiry(e *env) {
	t := e.table()
	before := time.Now()
	put := t.put(k("a"), "v", store.TTL(store.MinTTL))
	after := time.Now()
	earliest, latest := before.Add(store.MinTTL).Add(-time.Millisecond), after.Add(store.MinTTL+time.Second)
	if put.Expires.Before(earliest) || put.Expires.After(latest) {
		t.Fatalf("Put with a ttl of %v: want expiry from %v to %v, got %v", store.MinTTL, earliest, latest, put.Expires)
	}
	if got, err := t.Get(t.ctx, k("a")); err == nil && !got.Expires.Equal(put.Expires) {
		t.Fatalf("Get: want expiry %v as Put told, got %v", put.Expires, got.Expires)
	} else if err != nil && time.Now().Before(earliest) {
		t.Fatalf("Get before the ttl is over: %v", err)
	}
	t.put(k("b"), "stays")
	t.put(k("c"), "stays long", store.TTL(store.MaxTTL))
	if _, err := t.Batch(t.ctx, "p", store.PutOp("d", nil, store.TTL(store.MinTTL)), store.CreateOp("e", nil)); err != nil {
		t.Fatalf("Batch: %v", err)
	}
	t.awaitExpiry(k("a"))
	t.awaitExpiry(k("d"))
	t.wantKeys(store.Range{}, []string{"b", "c", "e"})
	t.wantKeys(store.Range{Reverse: true}, []string{"e", "c", "b"})
	t.delete(k("a")) // no record: no error
}

func testExpiredConditions(e *env) {
	t := e.table()
	old := t.put(k("a"), "old", store.TTL(store.MinTTL))
	t.put(k("b"), "old", store.TTL(store.MinTTL))
	t.awaitExpiry(k("a"))
	t.awaitExpiry(k("b"))
	_, err := t.CompareAndSet(t.ctx, k("a"), nil, old.Revision)
	t.wantFault("CompareAndSet on an expired record", err, fault.NotFound, store.ReasonNotFound)
	t.wantFault("CompareAndDelete of an expired record", t.CompareAndDelete(t.ctx, k("a"), old.Revision), fault.NotFound, store.ReasonNotFound)
	made, err := t.Create(t.ctx, k("a"), []byte("new"))
	if err != nil || made.Revision <= old.Revision {
		t.Fatalf("Create over an expired record: want a revision above %d, got %+v, %v", old.Revision, made, err)
	}
	_, err = t.CompareAndSet(t.ctx, k("a"), nil, old.Revision)
	t.wantFault("CompareAndSet with the revision before the expiry", err, fault.Conflict, store.ReasonConflict)
}

func testPutWithoutTTLStays(e *env) {
	t := e.table()
	t.put(k("witness"), "", store.TTL(store.MinTTL))
	t.put(k("put"), "", store.TTL(store.MinTTL))
	t.put(k("put"), "stays")
	r := t.put(k("cas"), "", store.TTL(store.MinTTL))
	if _, err := t.CompareAndSet(t.ctx, k("cas"), []byte("stays"), r.Revision); err != nil {
		t.Fatalf("CompareAndSet: %v", err)
	}
	t.put(k("longer"), "", store.TTL(store.MinTTL))
	t.put(k("longer"), "stays", store.TTL(time.Hour))
	t.put(k("last witness"), "", store.TTL(store.MinTTL))
	t.awaitExpiry(k("witness"))
	t.awaitExpiry(k("last witness"))
	for _, key := range []string{"put", "cas", "longer"} {
		t.wantFound(k(key), "stays")
	}
}

func testExpiryThroughRestart(e *env) {
	l := e.link()
	l.table().put(k("a"), "v", store.TTL(store.MinTTL))
	long := l.table().put(k("b"), "v", store.TTL(time.Hour))
	e.restart()
	l.table().awaitExpiry(k("a"))
	if got := l.table().get(k("b")); !got.Expires.Equal(long.Expires) {
		e.Fatalf("after a restart: want expiry %v, got %v", long.Expires, got.Expires)
	}
}
