package drivertest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hansom-platform/hansom/coord"
	"github.com/hansom-platform/hansom/fault"
)

// wantCode checks an error's code.
func (e *env) wantCode(what string, err error, want fault.Code) {
	e.Helper()
	if !fault.Is(err, want) {
		e.Errorf("%s: error %v, want code %v", what, err, want)
	}
}

func (e *env) put(c *coord.Coord, path, data string) coord.Node {
	e.Helper()
	n, err := c.Put(e.ctx, path, []byte(data))
	if err != nil {
		e.Fatalf("Put(%s): %v", path, err)
	}
	return n
}

func (e *env) get(c *coord.Coord, path string) coord.Node {
	e.Helper()
	n, err := c.Get(e.ctx, path)
	if err != nil {
		e.Fatalf("Get(%s): %v", path, err)
	}
	return n
}

func (e *env) list(c *coord.Coord, prefix string) []string {
	e.Helper()
	nodes, err := c.List(e.ctx, prefix)
	if err != nil {
		e.Fatalf("List(%s): %v", prefix, err)
	}
	paths := []string{}
	for _, n := range nodes {
		paths = append(paths, n.Path)
	}
	return paths
}

func (e *env) absent(c *coord.Coord, path string) bool {
	_, err := c.Get(e.ctx, path)
	return fault.Is(err, fault.NotFound)
}

func testPersistentNodes(e *env) {
	c := e.connect()
	_, err := c.Get(e.ctx, "/a")
	e.wantCode("Get of an absent node", err, fault.NotFound)
	e.wantCode("Delete of an absent node", c.Delete(e.ctx, "/a"), fault.NotFound)

	put := e.put(c, "/a", "one")
	if got := e.get(c, "/a"); got.Path != "/a" || string(got.Data) != "one" || got.Revision != put.Revision || got.Session != "" {
		e.Errorf("Get(/a) = %+v, want data one at revision %d without a session", got, put.Revision)
	}
	again := e.put(c, "/a", "two")
	if again.Revision <= put.Revision {
		e.Errorf("second Put has revision %d, want more than %d", again.Revision, put.Revision)
	}
	e.put(c, "/a/b/c", "")
	if got := e.get(c, "/a/b/c"); len(got.Data) != 0 {
		e.Errorf("Get(/a/b/c).Data = %q, want empty", got.Data)
	}
	_, err = c.Get(e.ctx, "/a/b")
	e.wantCode("Get of a path that only lies above a node", err, fault.NotFound)
	if err := c.Delete(e.ctx, "/a"); err != nil {
		e.Fatalf("Delete(/a): %v", err)
	}
	if !e.absent(c, "/a") {
		e.Error("/a exists after its deletion")
	}
	e.get(c, "/a/b/c")
	if reborn := e.put(c, "/a", "three"); reborn.Revision <= again.Revision {
		e.Errorf("Put after Delete has revision %d, want more than %d", reborn.Revision, again.Revision)
	}
}

func testListIsBelowPrefixOnly(e *env) {
	c := e.connect()
	if got := e.list(c, "/"); len(got) != 0 {
		e.Errorf("List(/) of an empty tree = %v, want nothing", got)
	}
	all := []string{"/a", "/a/b", "/a/b/c", "/a/bb", "/ab", "/b"}
	for _, p := range all {
		e.put(c, p, p)
	}
	for prefix, want := range map[string][]string{
		"/":      all,
		"/a":     {"/a", "/a/b", "/a/b/c", "/a/bb"},
		"/a/b":   {"/a/b", "/a/b/c"},
		"/a/b/c": {"/a/b/c"},
		"/none":  {},
	} {
		if got := e.list(c, prefix); !slices.Equal(got, want) {
			e.Errorf("List(%s) = %v, want %v", prefix, got, want)
		}
	}
}

func testAwkwardSegmentsStayApart(e *env) {
	c := e.connect()
	paths := []string{"/a.b", "/a/b", "/a-b", "/a_b", "/.a", "/a.", "/...", "/A", "/a", "/-", "/_", "/0"}
	for _, p := range paths {
		e.put(c, p, "at "+p)
	}
	for _, p := range paths {
		if got := e.get(c, p); string(got.Data) != "at "+p {
			e.Errorf("Get(%s).Data = %q, want %q", p, got.Data, "at "+p)
		}
	}
	slices.Sort(paths)
	if got := e.list(c, "/"); !slices.Equal(got, paths) {
		e.Errorf("List(/) = %v, want %v", got, paths)
	}
}

func testBadArguments(e *env) {
	c := e.connect()
	s := e.session(c, longTTL)
	long := "/" + strings.Repeat("x", coord.MaxSegment+1)
	for _, p := range []string{"", "/", "a", "a/b", "//", "/a/", "/a//b", "/a b", "/ä", "/a/*", "/a/>", "/a=b", "/.", "/a/..", long, strings.Repeat("/x", coord.MaxPath)} {
		_, err := c.Get(e.ctx, p)
		e.wantCode(fmt.Sprintf("Get(%.40q)", p), err, fault.BadRequest)
		_, err = c.Put(e.ctx, p, nil)
		e.wantCode(fmt.Sprintf("Put(%.40q)", p), err, fault.BadRequest)
		_, err = s.Create(e.ctx, p, nil)
		e.wantCode(fmt.Sprintf("Create(%.40q)", p), err, fault.BadRequest)
		e.wantCode(fmt.Sprintf("Delete(%.40q)", p), c.Delete(e.ctx, p), fault.BadRequest)
		if p != "/" {
			_, err = c.Watch(e.ctx, p)
			e.wantCode(fmt.Sprintf("Watch(%.40q)", p), err, fault.BadRequest)
			_, err = c.List(e.ctx, p)
			e.wantCode(fmt.Sprintf("List(%.40q)", p), err, fault.BadRequest)
		}
	}
	_, err := c.Put(e.ctx, "/_locks/x", nil)
	e.wantCode("Put under /_locks", err, fault.BadRequest)
	_, err = s.Set(e.ctx, "/_leaders", nil)
	e.wantCode("Set of /_leaders", err, fault.BadRequest)
	_, err = c.NewSession(e.ctx, 10*time.Millisecond)
	e.wantCode("NewSession with a ttl of 10ms", err, fault.BadRequest)
	_, err = c.NewSession(e.ctx, 1000*time.Hour)
	e.wantCode("NewSession with a ttl of 1000h", err, fault.BadRequest)
	_, err = c.Lock(e.ctx, s, "bad name")
	e.wantCode("Lock of a bad name", err, fault.BadRequest)
	err = c.Lead(e.ctx, "", "me", func(context.Context, uint64) error { return nil })
	e.wantCode("Lead of an empty name", err, fault.BadRequest)
}

func testLargestData(e *env) {
	c := e.connect()
	big := bytes.Repeat([]byte("x"), coord.MaxData)
	if _, err := c.Put(e.ctx, "/big", big); err != nil {
		e.Fatalf("Put of %d bytes: %v", len(big), err)
	}
	if got := e.get(c, "/big"); !bytes.Equal(got.Data, big) {
		e.Errorf("Get(/big) has %d bytes, want the %d that were put", len(got.Data), len(big))
	}
	_, err := c.Put(e.ctx, "/big", append(big, 'x'))
	e.wantCode(fmt.Sprintf("Put of %d bytes", len(big)+1), err, fault.BadRequest)
}

func testRevisionsGrow(e *env) {
	a, b := e.connect(), e.connect()
	s := e.session(b, longTTL)
	var last uint64
	for i := range 5 {
		p := "/p/" + strconv.Itoa(i)
		n := e.put(a, p, "x")
		m, err := s.Set(e.ctx, p+"/e", nil)
		if err != nil {
			e.Fatalf("Set(%s/e): %v", p, err)
		}
		if n.Revision <= last || m.Revision <= n.Revision {
			e.Fatalf("revisions %d, %d, %d in the order of writing, want them to grow", last, n.Revision, m.Revision)
		}
		last = m.Revision
	}
	e.restart()
	if n := e.put(a, "/p/after", "x"); n.Revision <= last {
		e.Errorf("revision %d after a restart, want more than %d", n.Revision, last)
	}
}

func testCompareAndSet(e *env) {
	c := e.connect()
	_, err := c.CompareAndSet(e.ctx, "/a", nil, 7)
	e.wantCode("CompareAndSet of an absent node at revision 7", err, fault.Conflict)
	first, err := c.CompareAndSet(e.ctx, "/a", []byte("1"), 0)
	if err != nil {
		e.Fatalf("CompareAndSet of an absent node at revision 0: %v", err)
	}
	_, err = c.CompareAndSet(e.ctx, "/a", []byte("x"), 0)
	e.wantCode("CompareAndSet of an existing node at revision 0", err, fault.Conflict)
	second, err := c.CompareAndSet(e.ctx, "/a", []byte("2"), first.Revision)
	if err != nil {
		e.Fatalf("CompareAndSet at the current revision: %v", err)
	}
	_, err = c.CompareAndSet(e.ctx, "/a", []byte("x"), first.Revision)
	e.wantCode("CompareAndSet at an old revision", err, fault.Conflict)
	if got := e.get(c, "/a"); string(got.Data) != "2" || got.Revision != second.Revision {
		e.Errorf("Get(/a) = %q at %d, want 2 at %d", got.Data, got.Revision, second.Revision)
	}
	if err := c.Delete(e.ctx, "/a"); err != nil {
		e.Fatalf("Delete(/a): %v", err)
	}
	_, err = c.CompareAndSet(e.ctx, "/a", []byte("x"), second.Revision)
	e.wantCode("CompareAndSet of a deleted node at its last revision", err, fault.Conflict)
	if _, err = c.CompareAndSet(e.ctx, "/a", []byte("3"), 0); err != nil {
		e.Errorf("CompareAndSet of a deleted node at revision 0: %v", err)
	}
}

func testCompareAndSetRace(e *env) {
	conns := []*coord.Coord{e.connect(), e.connect()}
	start := e.put(conns[0], "/counter", "0")
	const goroutines, increments = 6, 15
	var wg sync.WaitGroup
	for i := range goroutines {
		wg.Go(func() {
			c := conns[i%len(conns)]
			for range increments {
				if err := increment(e.ctx, c, "/counter"); err != nil {
					e.Errorf("increment: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	got := e.get(conns[0], "/counter")
	if want := strconv.Itoa(goroutines * increments); string(got.Data) != want {
		e.Errorf("counter = %s after compare-and-set by %d goroutines, want %s", got.Data, goroutines, want)
	}
	if got.Revision <= start.Revision {
		e.Errorf("revision %d at the end, want more than %d", got.Revision, start.Revision)
	}
}

func increment(ctx context.Context, c *coord.Coord, path string) error {
	for {
		n, err := c.Get(ctx, path)
		if err != nil {
			return err
		}
		v, err := strconv.Atoi(string(n.Data))
		if err != nil {
			return err
		}
		_, err = c.CompareAndSet(ctx, path, []byte(strconv.Itoa(v+1)), n.Revision)
		if !fault.Is(err, fault.Conflict) {
			return err
		}
	}
}

func testCompareAndDelete(e *env) {
	c := e.connect()
	n := e.put(c, "/a", "1")
	e.wantCode("CompareAndDelete at another revision", c.CompareAndDelete(e.ctx, "/a", n.Revision+1), fault.Conflict)
	e.wantCode("CompareAndDelete at revision 0", c.CompareAndDelete(e.ctx, "/a", 0), fault.BadRequest)
	e.get(c, "/a")
	if err := c.CompareAndDelete(e.ctx, "/a", n.Revision); err != nil {
		e.Errorf("CompareAndDelete at the current revision: %v", err)
	}
	e.wantCode("CompareAndDelete of an absent node", c.CompareAndDelete(e.ctx, "/a", n.Revision), fault.NotFound)
}

func testCreateRace(e *env) {
	const goroutines, rounds = 6, 10
	sessions := make([]*coord.Session, goroutines)
	c := e.connect()
	for i := range sessions {
		sessions[i] = e.session(c, longTTL)
	}
	for round := range rounds {
		path := "/race/" + strconv.Itoa(round)
		var wg sync.WaitGroup
		errs := make([]error, goroutines)
		for i, s := range sessions {
			wg.Go(func() { _, errs[i] = s.Create(e.ctx, path, nil) })
		}
		wg.Wait()
		winners := 0
		for _, err := range errs {
			if err == nil {
				winners++
			} else {
				e.wantCode("Create that lost", err, fault.Conflict)
			}
		}
		if winners != 1 {
			e.Errorf("%d of %d concurrent Creates of %s succeeded, want 1", winners, goroutines, path)
		}
	}
}

func testReadsSeeWrites(e *env) {
	a, b := e.connect(), e.connect()
	for i := range 30 {
		path := "/seen/" + strconv.Itoa(i)
		n := e.put(a, path, "x")
		if got := e.get(b, path); got.Revision != n.Revision {
			e.Fatalf("Get(%s) on another connection has revision %d, want %d", path, got.Revision, n.Revision)
		}
		if got := e.list(b, "/seen"); len(got) != i+1 {
			e.Fatalf("List on another connection after %d puts has %d nodes: %v", i+1, len(got), got)
		}
	}
}

func testCallsEndWithContext(e *env) {
	c := e.connect()
	ctx, cancel := context.WithCancel(e.ctx)
	cancel()
	began := time.Now()
	_, err := c.Get(ctx, "/a")
	if err == nil || fault.Is(err, fault.NotFound) {
		e.Errorf("Get with an ended context: error %v, want one about the context", err)
	}
	if _, err := c.Watch(ctx, "/a"); err == nil {
		e.Error("Watch with an ended context succeeded")
	}
	if took := time.Since(began); took > 2*time.Second {
		e.Errorf("calls with an ended context took %v", took)
	}
}

func testClosedCoordRefuses(e *env) {
	c := e.connect()
	for range 2 {
		if err := c.Close(e.ctx); err != nil {
			e.Fatalf("Close: %v", err)
		}
	}
	_, err := c.Get(e.ctx, "/a")
	e.wantCode("Get after Close", err, fault.Unavailable)
	_, err = c.Watch(e.ctx, "/a")
	e.wantCode("Watch after Close", err, fault.Unavailable)
	_, err = c.NewSession(e.ctx, longTTL)
	e.wantCode("NewSession after Close", err, fault.Unavailable)
}
