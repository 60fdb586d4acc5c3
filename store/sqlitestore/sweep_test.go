package sqlitestore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store"
	"github.com/hansom-platform/hansom/store/sqlitestore"
)

// rows counts what the file holds, expired or not.
func rows(t *testing.T, path string) (n int) {
	t.Helper()
	if err := raw(t, path).QueryRowContext(t.Context(), "SELECT count(*) FROM records").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestExpiryFollowsTheClock(t *testing.T) {
	c := newClock()
	_, tb := open(t, temp(t), sqlitestore.Clock(c.Now))
	r := put(t, tb, key("a"), nil, store.TTL(1500*time.Millisecond))
	if want := c.Now().Add(1500 * time.Millisecond); !r.Expires.Equal(want) {
		t.Errorf("Expires: want %v, got %v", want, r.Expires)
	}
	c.Advance(1499 * time.Millisecond)
	if _, err := tb.Get(t.Context(), key("a")); err != nil {
		t.Errorf("Get a millisecond before the expiry: %v", err)
	}
	c.Advance(time.Millisecond)
	if _, err := tb.Get(t.Context(), key("a")); !fault.Is(err, fault.NotFound) {
		t.Errorf("Get at the expiry: want NotFound, got %v", err)
	}
}

func TestSweepingFreesWhatHasExpired(t *testing.T) {
	c, path := newClock(), temp(t)
	d, tb := open(t, path, sqlitestore.Clock(c.Now), sqlitestore.SweepEvery(time.Hour))
	const n = 2*sqlitestore.ExpireBatch + 10
	for i := 0; i < n; i += 100 {
		var ops []store.Op
		for j := i; j < min(i+100, n); j++ {
			ops = append(ops, store.PutOp(fmt.Sprintf("%05d", j), nil, store.TTL(time.Minute)))
		}
		if _, err := tb.Batch(t.Context(), "p", ops...); err != nil {
			t.Fatalf("Batch: %v", err)
		}
	}
	put(t, tb, key("stays"), nil)
	last := put(t, tb, key("later"), nil, store.TTL(time.Hour))
	c.Advance(2 * time.Minute)
	if got := rows(t, path); got != n+2 {
		t.Fatalf("before the sweep: want %d rows in the file, got %d", n+2, got)
	}
	if err := sqlitestore.Sweep(d); err != nil {
		t.Fatalf("Sweep: %v", err)
	}
	if got := rows(t, path); got != 2 {
		t.Errorf("after the sweep: want the 2 rows that have not expired, got %d", got)
	}
	c.Advance(time.Hour)
	if err := sqlitestore.Sweep(d); err != nil {
		t.Fatalf("Sweep: %v", err)
	}
	if next := put(t, tb, key("later"), nil); next.Revision <= last.Revision {
		t.Errorf("revision after an expiry that was swept: want above %d, got %d", last.Revision, next.Revision)
	}
}

func TestTheSweeperRunsByItself(t *testing.T) {
	c, path := newClock(), temp(t)
	d, tb := open(t, path, sqlitestore.Clock(c.Now), sqlitestore.SweepEvery(5*time.Millisecond))
	put(t, tb, key("a"), nil, store.TTL(time.Minute))
	c.Advance(2 * time.Minute)
	await(t, "the sweeper freed the record", func() bool { return rows(t, path) == 0 })
	closeStore(t, d)
}
