package drivertest

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/hansom-platform/hansom/coord"
)

// RunBenchmarks measures what services wait for.
func RunBenchmarks(b *testing.B, newHarness NewHarness) {
	for _, bm := range []struct {
		name string
		run  func(*env, *testing.B, *coord.Coord)
	}{
		{"Put", benchPut},
		{"PutParallel", benchPutParallel},
		{"Get", benchGet},
		{"List1000", benchList},
		{"SessionCreateDelete", benchCreateDelete},
		{"WatchLatency", benchWatchLatency},
		{"LockUnlock", benchLock},
	} {
		b.Run(bm.name, func(b *testing.B) {
			e := newEnv(b, newHarness)
			e.ctx = b.Context()
			bm.run(e, b, e.connect())
		})
	}
}

var benchData = make([]byte, 256)

func benchPut(e *env, b *testing.B, c *coord.Coord) {
	for i := 0; b.Loop(); i++ {
		if _, err := c.Put(e.ctx, "/bench/"+strconv.Itoa(i%1000), benchData); err != nil {
			b.Fatal(err)
		}
	}
}

func benchPutParallel(e *env, b *testing.B, c *coord.Coord) {
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.Put(e.ctx, "/bench/p", benchData); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func benchGet(e *env, b *testing.B, c *coord.Coord) {
	e.put(c, "/bench", string(benchData))
	for b.Loop() {
		e.get(c, "/bench")
	}
}

func benchList(e *env, b *testing.B, c *coord.Coord) {
	for i := range 1000 {
		e.put(c, fmt.Sprintf("/bench/%d", i), string(benchData))
	}
	for b.Loop() {
		if got := e.list(c, "/bench"); len(got) != 1000 {
			b.Fatalf("List has %d nodes, want 1000", len(got))
		}
	}
}

func benchCreateDelete(e *env, b *testing.B, c *coord.Coord) {
	s := e.session(c, longTTL)
	for b.Loop() {
		e.create(s, "/bench", "x")
		if err := s.Delete(e.ctx, "/bench"); err != nil {
			b.Fatal(err)
		}
	}
}

// benchWatchLatency measures from before a put until another connection's watch tells of it.
func benchWatchLatency(e *env, b *testing.B, c *coord.Coord) {
	v := e.watch(e.connect(), "/bench")
	v.until("the snapshot is done", synced)
	for i := 0; b.Loop(); i++ {
		e.put(c, "/bench", strconv.Itoa(i))
		for v.nodes["/bench"].Revision == 0 || string(v.nodes["/bench"].Data) != strconv.Itoa(i) {
			if err := v.step(e.ctx); err != nil {
				b.Fatal(err)
			}
		}
		v.events = v.events[:0]
	}
}

func benchLock(e *env, b *testing.B, c *coord.Coord) {
	s := e.session(c, longTTL)
	for b.Loop() {
		e.unlock(e.lock(c, s, "bench"))
	}
}
