package sqlitestore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store"
	"github.com/hansom-platform/hansom/store/driver"
	"github.com/hansom-platform/hansom/store/sqlitestore"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// open opens a file and closes it at the test's end.
func open(t *testing.T, path string, opts ...sqlitestore.Option) (driver.Store, *store.Table) {
	t.Helper()
	d, err := sqlitestore.Open(t.Context(), path, opts...)
	if err != nil {
		t.Fatalf("Open(%s): %v", path, err)
	}
	t.Cleanup(func() { closeStore(t, d) })
	return d, store.New(d).Table("things")
}

func closeStore(t *testing.T, d driver.Store) {
	t.Helper()
	if err := d.Close(context.Background()); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// raw opens a connection of somebody else.
func raw(t *testing.T, path string) *sql.Conn {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatalf("sql.Open: %v", err)
	}
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatalf("Conn: %v", err)
	}
	t.Cleanup(func() {
		if err := errors.Join(conn.Close(), db.Close()); err != nil && !errors.Is(err, sql.ErrConnDone) {
			t.Errorf("closing the connection of somebody else: %v", err)
		}
	})
	return conn
}

func exec(t *testing.T, conn *sql.Conn, query string) {
	t.Helper()
	if _, err := conn.ExecContext(context.Background(), query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func temp(t *testing.T) string { return filepath.Join(t.TempDir(), "store.db") }

func key(format string, args ...any) store.Key {
	return store.Key{Partition: "p", Clustering: fmt.Sprintf(format, args...)}
}

// wantFault fails the test unless err has the reason, and its message names the file and one of the remedies.
func wantFault(t *testing.T, what string, err error, reason, path string, remedy string) {
	t.Helper()
	f := fault.From(err)
	switch {
	case err == nil:
		t.Fatalf("%s: want %s, got no error", what, reason)
	case f.Reason != reason || f.Code != fault.Unavailable:
		t.Fatalf("%s: want UNAVAILABLE %s, got %v", what, reason, err)
	case !strings.Contains(f.Message, path) || !strings.Contains(f.Message, remedy):
		t.Fatalf("%s: want a message that names %s and the remedy %q, got %q", what, path, remedy, f.Message)
	}
}

// put writes a record, or fails the test.
func put(t *testing.T, tb *store.Table, k store.Key, value []byte, opts ...store.WriteOption) store.Record {
	t.Helper()
	r, err := tb.Put(t.Context(), k, value, opts...)
	if err != nil {
		t.Fatalf("Put(%v): %v", k, err)
	}
	return r
}

// values reads all of partition p.
func values(t *testing.T, tb *store.Table) map[string]string {
	t.Helper()
	got := map[string]string{}
	for r, err := range tb.All(t.Context(), "p", store.Range{}) {
		if err != nil {
			t.Fatalf("All: %v", err)
		}
		got[r.Key.Clustering] = string(r.Value)
	}
	return got
}

// await polls until cond returns true.
func await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("waited %v in vain until %s", patience, what)
		}
	}
}

// clock is a time that a test sets.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatalf("Stat: %v", err)
	}
	return info.Mode().Perm()
}
