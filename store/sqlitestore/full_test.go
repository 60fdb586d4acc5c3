package sqlitestore_test

import (
	"bytes"
	"maps"
	"sync"
	"testing"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store"
	"github.com/hansom-platform/hansom/store/sqlitestore"
)

// fillUp writes until there is no space, and returns what was acknowledged.
func fillUp(t *testing.T, tb *store.Table, path string) map[string]string {
	t.Helper()
	acknowledged := map[string]string{}
	for i := range 10000 {
		k, value := key("%05d", i), bytes.Repeat([]byte{byte('a' + i%26)}, 2000+i%3000)
		_, err := tb.Put(t.Context(), k, value)
		if err != nil {
			wantFault(t, "Put without space", err, store.ReasonFull, path, "Free some")
			return acknowledged
		}
		acknowledged[k.Clustering] = string(value)
	}
	t.Fatal("want the disk full some time, got 10000 writes acknowledged")
	return nil
}

func wantValues(t *testing.T, what string, tb *store.Table, want map[string]string) {
	t.Helper()
	if got := values(t, tb); !maps.Equal(got, want) {
		t.Fatalf("%s: want the %d records acknowledged, got %d, or others", what, len(want), len(got))
	}
}

func TestASizeLimitLosesNothing(t *testing.T) {
	path := temp(t)
	d, tb := open(t, path, sqlitestore.MaxBytes(300<<10))
	acknowledged := fillUp(t, tb, path)
	wantValues(t, "while full", tb, acknowledged)
	if err := d.Check(t.Context()); err != nil {
		t.Errorf("Check while full: %v", err)
	}
	for i := range 20 { // what is deleted makes room
		if err := tb.Delete(t.Context(), key("%05d", i)); err != nil {
			t.Fatalf("Delete while full: %v", err)
		}
		delete(acknowledged, key("%05d", i).Clustering)
	}
	put(t, tb, key("new"), []byte("fits"))
	acknowledged["new"] = "fits"
	closeStore(t, d)

	_, tb = open(t, path)
	wantValues(t, "opened without a limit", tb, acknowledged)
	put(t, tb, key("large"), make([]byte, store.MaxValue))
}

// TestAWriteThatDoesNotFitFailsAlone queues writes while the file is locked, so that they are committed together.
func TestAWriteThatDoesNotFitFailsAlone(t *testing.T) {
	path := temp(t)
	d, tb := open(t, path, sqlitestore.MaxBytes(300<<10))
	lock := raw(t, path)
	exec(t, lock, "BEGIN IMMEDIATE")
	var wg, started sync.WaitGroup
	errs := make([]error, 20)
	started.Add(len(errs))
	for i := range errs {
		wg.Go(func() {
			size := 10
			if i%5 == 0 {
				size = store.MaxValue
			}
			started.Done()
			_, errs[i] = tb.Put(t.Context(), key("%d", i), make([]byte, size))
		})
	}
	started.Wait()
	await(t, "writes wait for the lock", func() bool { return sqlitestore.Waiting(d) })
	exec(t, lock, "ROLLBACK")
	wg.Wait()
	for i, err := range errs {
		if full := fault.ReasonOf(err) == store.ReasonFull; full != (i%5 == 0) || err != nil && !full {
			t.Errorf("write %d: want no space for every fifth only, got %v", i, err)
		}
	}
	if got := len(values(t, tb)); got != 16 {
		t.Errorf("want the 16 writes that fit, got %d", got)
	}
}
