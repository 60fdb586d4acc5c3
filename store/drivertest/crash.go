package drivertest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store"
	"github.com/hansom-platform/hansom/store/driver"
)

// crashVariable names the engine that a process of this test binary is to write to until it is killed.
const crashVariable = "HANSOM_STORE_CRASH_WRITER"

// crashWriters is the number of writers in the process that is killed.
const crashWriters = 4

// CrashWriter does nothing, unless the suite has started this process to be killed while it
// writes: then it does so and never returns. Open opens the engine at Capabilities.Address.
func CrashWriter(open func(ctx context.Context, address string) (driver.Store, error)) {
	address := os.Getenv(crashVariable)
	if address == "" {
		return
	}
	d, err := open(context.Background(), address)
	if err != nil {
		fmt.Fprintln(os.Stderr, "open:", err)
		os.Exit(1)
	}
	t := store.New(d).Table("things")
	var out sync.Mutex
	var wg sync.WaitGroup
	for id := range crashWriters {
		wg.Go(func() {
			err := writeUntilKilled(t, id, &out) // at last, when nobody reads what it prints
			fmt.Fprintf(os.Stderr, "writer %d: %v\n", id, err)
			os.Exit(1)
		})
	}
	wg.Wait()
}

// writeUntilKilled goes on where the writer before was killed, and prints what is acknowledged: writer, number, revision.
func writeUntilKilled(t *store.Table, id int, out *sync.Mutex) error {
	ctx := context.Background()
	n := 0
	if r, err := t.Get(ctx, store.Key{Partition: crashPartition(id), Clustering: "a"}); err == nil {
		n, _ = strconv.Atoi(string(r.Value))
	} else if !fault.Is(err, fault.NotFound) {
		return err
	}
	for n++; ; n++ {
		value := []byte(strconv.Itoa(n))
		flip := store.DeleteOp("flip")
		if n%2 == 1 {
			flip = store.CreateOp("flip", value)
		}
		got, err := t.Batch(ctx, crashPartition(id),
			store.PutOp("a", value), store.PutOp("b", value), store.CreateOp(logKey(n), value), flip)
		if err != nil {
			return err
		}
		line := fmt.Sprintln(id, n, got[0].Revision)
		out.Lock()
		_, err = io.WriteString(os.Stdout, line)
		out.Unlock()
		if err != nil {
			return err
		}
	}
}

func crashPartition(id int) string { return fmt.Sprint("writer ", id) }

func logKey(n int) string { return fmt.Sprintf("log/%08d", n) }

// acknowledged is what a writer was told last.
type acknowledged struct {
	n        int
	revision uint64
}

// testKills kills a process in the middle of its writes, again and again: what it was told is there, is there, nothing is
// there in part, and revisions go on.
func testKills(e *env) {
	if e.caps.Address == "" {
		return // the engine dies with its process
	}
	const least, most, enough = 10, 40, 4 * time.Second
	known := make([]acknowledged, crashWriters)
	start := time.Now()
	for round := 0; round < least || round < most && time.Since(start) < enough; round++ {
		if round%2 == 0 {
			e.open() // the file is open in another process when the writer dies, or in none
		}
		e.killAWriter(known, 1+rand.IntN(200))
		for id := range known {
			known[id] = e.checkAfterKill(round, id, known[id])
		}
		if round%2 == 1 {
			e.restart()
		}
	}
}

// killAWriter starts a process that writes, kills it after it was told of some writes, and notes all of which it was told.
func (e *env) killAWriter(known []acknowledged, after int) {
	e.Helper()
	self, err := os.Executable()
	if err != nil {
		e.Fatalf("Executable: %v", err)
	}
	cmd := exec.CommandContext(e.ctx, self, "-test.run=^$")
	cmd.Env = append(os.Environ(), crashVariable+"="+e.caps.Address)
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		e.Fatalf("StdoutPipe: %v", err)
	}
	if err := cmd.Start(); err != nil {
		e.Fatalf("starting the process to be killed: %v", err)
	}
	lines := 0
	for scan := bufio.NewScanner(pipe); scan.Scan(); lines++ {
		var id int
		var told acknowledged
		if _, err := fmt.Sscan(scan.Text(), &id, &told.n, &told.revision); err != nil || id >= len(known) {
			e.Fatalf("the writer printed %q: %v", scan.Text(), err)
		}
		if told.n <= known[id].n || told.revision <= known[id].revision {
			e.Fatalf("writer %d: want more than %+v after a kill, got %+v", id, known[id], told)
		}
		known[id] = told
		if lines == after {
			_ = cmd.Process.Kill() // what it printed before comes yet
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Exited() || lines < after {
		e.Fatalf("the writer: want it killed after %d writes, got %v after %d", after, err, lines)
	}
}

// checkAfterKill compares what is there with what was acknowledged to a writer, and returns what it will go on from.
func (e *env) checkAfterKill(round, id int, told acknowledged) acknowledged {
	e.Helper()
	t := e.table()
	got := map[string]string{}
	var a store.Record
	for r, err := range t.All(e.ctx, crashPartition(id), store.Range{Limit: store.MaxLimit}) {
		if err != nil {
			e.Fatalf("round %d, writer %d: %v", round, id, err)
		}
		got[r.Key.Clustering] = string(r.Value)
		if r.Key.Clustering == "a" {
			a = r
		}
	}
	n, _ := strconv.Atoi(got["a"])
	switch {
	case n != told.n && n != told.n+1:
		e.Fatalf("round %d, writer %d: write %d was acknowledged, the next was under way; found %d", round, id, told.n, n)
	case n == told.n && a.Revision != told.revision, n > told.n && a.Revision <= told.revision:
		e.Fatalf("round %d, writer %d: %+v was acknowledged; found %d at revision %d", round, id, told, n, a.Revision)
	case got["b"] != got["a"]:
		e.Fatalf("round %d, writer %d: half a batch is there: a is %s, b is %s", round, id, got["a"], got["b"])
	}
	want := 2 + n // a, b, and each log record
	if n%2 == 1 {
		want++
		if got["flip"] != got["a"] {
			e.Fatalf("round %d, writer %d: flip: want %s, got %q", round, id, got["a"], got["flip"])
		}
	}
	if n == 0 {
		want = 0
	}
	for i := 1; i <= n; i++ {
		if got[logKey(i)] != strconv.Itoa(i) {
			e.Fatalf("round %d, writer %d: record %d was acknowledged; found %q", round, id, i, got[logKey(i)])
		}
	}
	if len(got) != want {
		e.Fatalf("round %d, writer %d: want %d records, got %d", round, id, want, len(got))
	}
	return acknowledged{n, a.Revision}
}
