package drivertest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store"
)

func testCallsEndWithContext(e *env) {
	t := e.table()
	old := t.put(k("a"), "old")
	over, cancel := context.WithCancel(t.ctx)
	cancel()
	late, cancelLate := context.WithDeadline(t.ctx, time.Now().Add(-time.Second))
	defer cancelLate()
	for _, c := range []struct {
		name string
		ctx  context.Context
		code fault.Code
	}{{"cancelled", over, fault.Unavailable}, {"past its deadline", late, fault.Timeout}} {
		_, err := t.Get(c.ctx, k("a"))
		wantCode(t, "Get", c.name, err, c.code)
		_, err = t.Put(c.ctx, k("a"), []byte("new"))
		wantCode(t, "Put", c.name, err, c.code)
		_, err = t.Range(c.ctx, "p", store.Range{})
		wantCode(t, "Range", c.name, err, c.code)
		_, err = t.Batch(c.ctx, "p", store.DeleteOp("a"))
		wantCode(t, "Batch", c.name, err, c.code)
		for _, err := range t.All(c.ctx, "p", store.Range{}) {
			wantCode(t, "All", c.name, err, c.code)
		}
	}
	if got := t.get(k("a")); got.Revision != old.Revision {
		t.Fatalf("after writes whose context was over: want revision %d, got %+v", old.Revision, got)
	}
}

func wantCode(t table, op, ctx string, err error, code fault.Code) {
	t.Helper()
	if !fault.Is(err, code) {
		t.Fatalf("%s with a context that is %s: want %v, got %v", op, ctx, code, err)
	}
}

// testWritesCutOff cancels writes at random moments: each was applied wholly, or not.
func testWritesCutOff(e *env) {
	t := e.table()
	var wg sync.WaitGroup
	for client := range 4 {
		wg.Go(func() {
			partition := fmt.Sprint("client ", client)
			for n := range 40 {
				ctx, cancel := context.WithTimeout(t.ctx, time.Duration(rand.Int64N(int64(3*time.Millisecond))))
				a, b := fmt.Sprintf("%d/a", n), fmt.Sprintf("%d/b", n)
				_, err := t.Batch(ctx, partition, store.CreateOp(a, nil), store.CreateOp(b, nil))
				cancel()
				if err != nil && !isUncertain(err) {
					t.Errorf("Batch cut off: want Timeout or Unavailable, got %v", err)
				}
				if found := t.all(partition, store.Range{Prefix: fmt.Sprintf("%d/", n)}); len(found) == 1 || err == nil && len(found) == 0 {
					t.Errorf("Batch cut off with %v: want both records or none, got %q", err, found)
				}
			}
		})
	}
	wg.Wait()
}

func testClosed(e *env) {
	s := e.open()
	t := table{e, s.Table("things")}
	t.put(k("a"), "v")
	for range 2 {
		if err := s.Close(t.ctx); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
	_, err := t.Get(t.ctx, k("a"))
	t.wantFault("Get after Close", err, fault.Unavailable, store.ReasonClosed)
	_, err = t.Put(t.ctx, k("a"), nil)
	t.wantFault("Put after Close", err, fault.Unavailable, store.ReasonClosed)
	_, err = t.Range(t.ctx, "p", store.Range{})
	t.wantFault("Range after Close", err, fault.Unavailable, store.ReasonClosed)
	t.wantFault("Check after Close", s.Check(t.ctx), fault.Unavailable, store.ReasonClosed)
}

// testCloseLetsCallsFinish closes a connection in full use: calls succeed until some moment, and are refused from then on.
func testCloseLetsCallsFinish(e *env) {
	s := e.open()
	t := table{e, s.Table("things")}
	started := make(chan struct{}, 8)
	acknowledged := make([]int, 8)
	var wg sync.WaitGroup
	for client := range acknowledged {
		wg.Go(func() {
			for n := 1; ; n++ {
				_, err := t.Put(t.ctx, k(fmt.Sprint(client)), fmt.Append(nil, n))
				if err != nil {
					if fault.ReasonOf(err) != store.ReasonClosed {
						t.Errorf("Put while closing: want %s, got %v", store.ReasonClosed, err)
					}
					return
				}
				acknowledged[client] = n
				if n == 3 {
					started <- struct{}{}
				}
			}
		})
	}
	for range acknowledged {
		<-started
	}
	if err := s.Close(t.ctx); err != nil {
		t.Fatalf("Close: %v", err)
	}
	wg.Wait()
	after := e.table()
	for client, n := range acknowledged {
		after.wantFound(k(fmt.Sprint(client)), fmt.Sprint(n))
	}
}

func testNoGoroutineLeaks(t *testing.T, newHarness NewHarness) {
	before := goleak.IgnoreCurrent()
	h := newHarness(t)
	shared := h.Capabilities().SharedEngine
	func() {
		e := &env{TB: t, ctx: context.Background(), harness: h, caps: h.Capabilities()}
		d, err := h.Open(e.ctx)
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		s := store.New(d)
		tb := table{e, s.Table("things")}
		tb.put(k("a"), "v", store.TTL(time.Hour))
		tb.get(k("a"))
		tb.all("p", store.Range{})
		if err := s.Close(e.ctx); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}()
	h.Close()
	if err := goleak.Find(before); err != nil && !shared {
		t.Errorf("after everything was closed: %v", err)
	}
}
