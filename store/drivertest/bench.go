package drivertest

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/hansom-platform/hansom/store"
)

// RunBenchmarks measures the operations that the kernel lives on.
func RunBenchmarks(b *testing.B, newHarness NewHarness) {
	for _, c := range []struct {
		name string
		run  func(*testing.B, table)
	}{
		{"Get", benchGet},
		{"GetParallel", benchGetParallel},
		{"Put", benchPut},
		{"PutParallel64", benchPutParallel},
		{"CompareAndSet", benchCompareAndSet},
		{"Batch10", benchBatch},
		{"Range100", benchRange},
	} {
		b.Run(c.name, func(b *testing.B) {
			t := newEnv(b, newHarness).table()
			t.fill(1000)
			b.ReportAllocs()
			b.ResetTimer()
			c.run(b, t)
		})
	}
}

// benchValue is about the size of a session or a small configuration document.
var benchValue = bytes.Repeat([]byte("v"), 256)

func must(b *testing.B, err error) {
	if err != nil {
		b.Fatal(err)
	}
}

func benchGet(b *testing.B, t table) {
	for b.Loop() {
		_, err := t.Get(t.ctx, k("0500"))
		must(b, err)
	}
}

func benchGetParallel(b *testing.B, t table) {
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := t.Get(t.ctx, k("0500")); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func benchPut(b *testing.B, t table) {
	for b.Loop() {
		_, err := t.Put(t.ctx, k("0500"), benchValue)
		must(b, err)
	}
}

func benchPutParallel(b *testing.B, t table) {
	var clients atomic.Int64
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		key := k(fmt.Sprint("client ", clients.Add(1)))
		for pb.Next() {
			if _, err := t.Put(t.ctx, key, benchValue); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func benchCompareAndSet(b *testing.B, t table) {
	r := t.get(k("0500"))
	for b.Loop() {
		next, err := t.CompareAndSet(t.ctx, k("0500"), benchValue, r.Revision)
		must(b, err)
		r = next
	}
}

func benchBatch(b *testing.B, t table) {
	ops := make([]store.Op, 10)
	for i := range ops {
		ops[i] = store.PutOp(fmt.Sprint(i), benchValue)
	}
	for b.Loop() {
		_, err := t.Batch(t.ctx, "batches", ops...)
		must(b, err)
	}
}

func benchRange(b *testing.B, t table) {
	for b.Loop() {
		page, err := t.Range(t.ctx, "p", store.Range{From: "0500"})
		must(b, err)
		if len(page.Records) != store.DefaultLimit {
			b.Fatalf("want %d records, got %d", store.DefaultLimit, len(page.Records))
		}
	}
}
