package sqlitestore_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/hansom-platform/hansom/store"
	"github.com/hansom-platform/hansom/store/sqlitestore"
)

func TestAFullDiskLosesNothing(t *testing.T) {
	folder := t.TempDir()
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=3m"); err != nil {
		t.Logf("a small file system cannot be mounted here (%v): TestASizeLimitLosesNothing stands for this test", err)
		return
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(folder, 0); err != nil {
			t.Errorf("Unmount: %v", err)
		}
	})
	ballast := filepath.Join(folder, "ballast")
	write(t, ballast, make([]byte, 1<<20))
	path := filepath.Join(folder, "store.db")
	d, tb := open(t, path)
	acknowledged := fillUp(t, tb, path)
	wantValues(t, "while the disk is full", tb, acknowledged)
	_, err := tb.Put(t.Context(), key("once more"), make([]byte, 100<<10))
	wantFault(t, "a second Put without space", err, store.ReasonFull, path, "Free some")

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	put(t, tb, key("new"), []byte("fits"))
	acknowledged["new"] = "fits"
	wantValues(t, "after space was freed", tb, acknowledged)
	closeStore(t, d)
	d, tb = open(t, path)
	wantValues(t, "opened again", tb, acknowledged)
	closeStore(t, d) // before the file system goes
}

func TestNoSpaceToOpen(t *testing.T) {
	folder := t.TempDir()
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=64k"); err != nil {
		t.Logf("a small file system cannot be mounted here: %v", err)
		return
	}
	t.Cleanup(func() { _ = syscall.Unmount(folder, 0) })
	if err := os.WriteFile(filepath.Join(folder, "ballast"), make([]byte, 64<<10), 0o600); err != nil && !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "store.db")
	_, err := sqlitestore.Open(t.Context(), path)
	wantFault(t, "Open on a full disk", err, store.ReasonFull, path, "Free some")
}
