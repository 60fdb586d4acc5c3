package sqlitestore_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store"
	"github.com/hansom-platform/hansom/store/sqlitestore"
)

func TestALockedFileFailsWritesInTime(t *testing.T) {
	path := temp(t)
	d, tb := open(t, path)
	old := put(t, tb, key("a"), []byte("old"))
	lock := raw(t, path)
	exec(t, lock, "BEGIN IMMEDIATE")

	const budget = 400 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), budget)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 5 {
		wg.Go(func() {
			_, err := tb.CompareAndSet(ctx, key("a"), []byte("new"), old.Revision)
			if ctx.Err() != nil {
				t.Errorf("write %d: want the answer within %v, got it after", i, budget)
			}
			wantFault(t, "a write to a locked file", err, store.ReasonLocked, path, "Stop the one that holds it")
		})
	}
	got, err := tb.Get(ctx, key("a"))
	if err != nil || got.Revision != old.Revision {
		t.Errorf("Get while the file is locked for writing: want %+v, got %+v, %v", old, got, err)
	}
	wg.Wait()

	done := make(chan error, 1)
	go func() {
		_, err := tb.Put(context.Background(), key("b"), []byte("waited"))
		done <- err
	}()
	await(t, "the write waits for the lock", func() bool { return sqlitestore.Waiting(d) })
	exec(t, lock, "ROLLBACK")
	if err := <-done; err != nil {
		t.Errorf("a write while the lock is given up: %v", err)
	}
	if got, err := tb.Get(t.Context(), key("a")); err != nil || got.Revision != old.Revision {
		t.Errorf("after writes that failed as the file was locked: want revision %d, got %+v, %v", old.Revision, got, err)
	}
}

func TestAWriteWithoutADeadlineGivesUp(t *testing.T) {
	path := temp(t)
	_, tb := open(t, path, sqlitestore.Timeout(200*time.Millisecond))
	exec(t, raw(t, path), "BEGIN IMMEDIATE")
	_, err := tb.Put(context.Background(), key("a"), nil)
	wantFault(t, "a write to a locked file without a deadline", err, store.ReasonLocked, path, "Stop the one that holds it")
}

func TestACancelledWriteIsWithdrawn(t *testing.T) {
	path := temp(t)
	d, tb := open(t, path)
	lock := raw(t, path)
	exec(t, lock, "BEGIN IMMEDIATE")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := tb.Put(ctx, key("a"), nil)
		done <- err
	}()
	await(t, "the write waits for the lock", func() bool { return sqlitestore.Waiting(d) })
	cancel()
	if err := <-done; fault.ReasonOf(err) != "store.cancelled" {
		t.Errorf("a cancelled write: want store.cancelled, got %v", err)
	}
	exec(t, lock, "ROLLBACK")
	put(t, tb, key("b"), nil)
	if _, err := tb.Get(t.Context(), key("a")); !fault.Is(err, fault.NotFound) {
		t.Errorf("after a write was withdrawn: want it not applied, got %v", err)
	}
}

func TestAFileThatSomebodyHasForHimself(t *testing.T) {
	path := temp(t)
	d, tb := open(t, path)
	put(t, tb, key("a"), []byte("v"))
	closeStore(t, d)
	lock := raw(t, path)
	exec(t, lock, "PRAGMA locking_mode = EXCLUSIVE")
	exec(t, lock, "BEGIN EXCLUSIVE")

	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := sqlitestore.Open(ctx, path)
	wantFault(t, "Open of a locked file", err, store.ReasonLocked, path, "Stop the one that holds it")
	exec(t, lock, "ROLLBACK")
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestCloseDoesNotWaitForALock(t *testing.T) {
	path := temp(t)
	d, tb := open(t, path)
	exec(t, raw(t, path), "BEGIN IMMEDIATE")
	done := make(chan error, 1)
	go func() {
		_, err := tb.Put(context.Background(), key("a"), nil)
		done <- err
	}()
	await(t, "the write waits for the lock", func() bool { return sqlitestore.Waiting(d) })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	if err := d.Close(ctx); err != nil {
		t.Errorf("Close: %v", err)
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("Close with 100ms to go: want it cut off the write that waits, took %v", took)
	}
	if err := <-done; fault.ReasonOf(err) != store.ReasonClosed {
		t.Errorf("the write that waited: want %s, got %v", store.ReasonClosed, err)
	}
}
