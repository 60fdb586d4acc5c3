package sqlitestore_test

import (
	"context"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/hansom-platform/hansom/store"
	"github.com/hansom-platform/hansom/store/sqlitestore"
)

func TestFilesAreTheirOwnersOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a strange name?%41#.db")
	_, tb := open(t, path)
	put(t, tb, key("a"), nil)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if got := mode(t, path+suffix); got != 0o600 {
			t.Errorf("mode of %q: want 0600, got %o", path+suffix, got)
		}
	}
}

func TestCommitsAreSynced(t *testing.T) {
	d, _ := open(t, temp(t))
	for name, want := range map[string]string{"journal_mode": "wal", "synchronous": "2" /* FULL */, "application_id": "1214336627", "user_version": "1"} {
		if got, err := sqlitestore.Pragma(t.Context(), d, name); err != nil || got != want {
			t.Errorf("PRAGMA %s: want %s, got %s, %v", name, want, got, err)
		}
	}
}

func TestManyMayMakeTheFileAtOnce(t *testing.T) {
	path := temp(t)
	const many = 8
	var wg sync.WaitGroup
	for i := range many {
		wg.Go(func() {
			d, err := sqlitestore.Open(context.Background(), path)
			if err != nil {
				t.Errorf("Open by %d: %v", i, err)
				return
			}
			defer closeStore(t, d)
			if _, err := store.New(d).Table("things").Put(t.Context(), key("%d", i), nil); err != nil {
				t.Errorf("Put by %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if _, tb := open(t, path); len(values(t, tb)) != many {
		t.Errorf("want the %d records put, got %v", many, values(t, tb))
	}
}

func TestFilesOfOthersAreRefusedAndLeftAsTheyAre(t *testing.T) {
	for name, c := range map[string]struct {
		make   func(t *testing.T, path string)
		reason string
		remedy string
	}{
		"another program's database": {func(t *testing.T, path string) {
			conn := raw(t, path)
			exec(t, conn, "CREATE TABLE theirs (a)")
			exec(t, conn, "INSERT INTO theirs VALUES (1)")
		}, store.ReasonForeign, "Name another file"},
		"another program's database with an id": {func(t *testing.T, path string) {
			exec(t, raw(t, path), "PRAGMA application_id = 252006674")
		}, store.ReasonForeign, "0xf055112"},
		"a newer format": {func(t *testing.T, path string) {
			d, _ := open(t, path)
			closeStore(t, d)
			exec(t, raw(t, path), "PRAGMA user_version = 2")
		}, store.ReasonForeign, "Run the version that wrote it"},
		"a text": {func(t *testing.T, path string) {
			write(t, path, []byte(strings.Repeat("not a database\n", 500)))
		}, store.ReasonCorrupt, "Restore a backup"},
		"a short text": {func(t *testing.T, path string) { write(t, path, []byte("hello\n")) }, store.ReasonCorrupt, "Restore a backup"},
	} {
		t.Run(name, func(t *testing.T) {
			path := temp(t)
			c.make(t, path)
			before := read(t, path)
			_, err := sqlitestore.Open(t.Context(), path)
			wantFault(t, "Open", err, c.reason, path, c.remedy)
			if string(read(t, path)) != string(before) {
				t.Errorf("want the file left as it was, got it changed")
			}
		})
	}
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestPlacesWhereNoFileCanBe(t *testing.T) {
	folder := t.TempDir()
	missing := filepath.Join(folder, "missing", "store.db")
	_, err := sqlitestore.Open(t.Context(), missing)
	wantFault(t, "Open in a missing folder", err, store.ReasonIO, filepath.Dir(missing), "make it")
	_, err = sqlitestore.Open(t.Context(), folder)
	wantFault(t, "Open of a folder", err, store.ReasonIO, folder, "name a file")
}

func TestAnEmptyFileIsFresh(t *testing.T) {
	path := temp(t)
	write(t, path, nil)
	_, tb := open(t, path)
	put(t, tb, key("a"), []byte("v"))
}

func TestAMovedFileIsNotWrittenTo(t *testing.T) {
	path := temp(t)
	d, tb := open(t, path)
	first := put(t, tb, key("a"), []byte("v"))
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	_, err := tb.Put(t.Context(), key("b"), nil)
	wantFault(t, "Put to a moved file", err, store.ReasonMoved, path, "put it back")
	wantFault(t, "Check of a moved file", d.Check(t.Context()), store.ReasonMoved, path, "put it back")
	write(t, path, []byte("another one"))
	_, err = tb.Put(t.Context(), key("b"), nil)
	wantFault(t, "Put after another file took the place", err, store.ReasonMoved, path, "put it back")

	if err := os.Rename(path+".old", path); err != nil {
		t.Fatal(err)
	}
	if second := put(t, tb, key("a"), []byte("w")); second.Revision <= first.Revision {
		t.Errorf("Put after the file is back: want a revision above %d, got %d", first.Revision, second.Revision)
	}
}

// visitVariable makes this test binary open the file of that name, close it, and print what came of it.
const visitVariable = "HANSOM_STORE_VISIT"

func visit(path string) {
	d, err := sqlitestore.Open(context.Background(), path)
	if err == nil {
		err = d.Close(context.Background())
	}
	fmt.Print(err)
}

// TestACopyTakenBesideTheStoreDoesNoHarm opens and closes the file beside SQLite, as a backup would. With POSIX locks this process
// would then have none on it, and another one that closes the store could take itself for the last.
func TestACopyTakenBesideTheStoreDoesNoHarm(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := temp(t)
	_, tb := open(t, path)
	put(t, tb, key("a"), nil)
	before, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	read(t, path) // opens and closes
	cmd := osexec.CommandContext(t.Context(), self, "-test.run=^$")
	cmd.Env = append(os.Environ(), visitVariable+"="+path)
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "<nil>" {
		t.Fatalf("another process opens and closes the store: %v, %s", err, out)
	}
	if after, err := os.Stat(path + "-wal"); err != nil || !os.SameFile(before, after) {
		t.Errorf("want the log that is in use left in its place, got another one or none: %v", err)
	}
}

func TestAFolderThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	existing := filepath.Join(folder, "existing.db")
	d, tb := open(t, existing)
	put(t, tb, key("a"), []byte("v"))
	closeStore(t, d)
	self := worldReadable(t, folder)
	before := read(t, existing)
	for name, path := range map[string]string{"a file that exists": existing, "a file to be made": filepath.Join(folder, "new.db")} {
		cmd := osexec.CommandContext(t.Context(), self, "-test.run=^$")
		cmd.Env = append(os.Environ(), visitVariable+"="+path)
		if os.Getuid() == 0 { // who may write anywhere
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", cmd, err)
		}
		if got := string(out); !strings.HasPrefix(got, "UNAVAILABLE "+store.ReasonReadOnly) || !strings.Contains(got, path) || !strings.Contains(got, "the right to write") {
			t.Errorf("%s in a folder that cannot be written: want %s that names it and the remedy, got %s", name, store.ReasonReadOnly, got)
		}
	}
	if string(read(t, existing)) != string(before) {
		t.Error("want the file left as it was, got it changed")
	}
}

// worldReadable takes the right to write to a folder of the test away and returns a copy of this binary that
// anybody can run.
func worldReadable(t *testing.T, folder string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	binary := filepath.Join(bin, "self.test")
	if err := os.WriteFile(binary, read(t, self), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{
		filepath.Dir(folder): 0o755, folder: 0o555, bin: 0o755, filepath.Join(folder, "existing.db"): 0o444,
	} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = os.Chmod(folder, 0o755) })
	return binary
}
