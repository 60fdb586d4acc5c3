package drivertest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/hansom-platform/hansom/store"
)

// register is the sequential model of one key, which histories are checked against.
var register = porcupine.Model{
	Partition: byKey,
	Init:      func() any { return state{} },
	Step: func(s, in, out any) (bool, any) {
		next, ok := s.(state).step(in.(input), out.(output))
		return ok, next
	},
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v -> %+v", in, out) },
}

// state is what a key holds. A write whose outcome nobody was told gave it a revision that is not known before
// it is read: 0 then, and above floor.
type state struct {
	found    bool
	value    string
	revision uint64
	floor    uint64 // all earlier revisions are at most this
}

type kind string

const (
	read   kind = "read"
	put    kind = "put"
	create kind = "create"
	cas    kind = "cas"
	remove kind = "delete"
)

type input struct {
	kind     kind
	key      string
	value    string
	revision uint64
}

// output is what a client was told. A refused write tells what is there.
type output struct {
	unknown  bool // it failed: applied or not
	refused  bool
	found    bool
	value    string
	revision uint64
}

// at returns the state if the record in it can be at this revision.
func (s state) at(revision uint64) (state, bool) {
	if s.revision == 0 && revision > s.floor {
		s.revision, s.floor = revision, revision
	}
	return s, s.found && s.revision == revision
}

// written returns the state after a write. Revision 0 stands for one that nobody was told.
func (s state) written(value string, revision uint64) (state, bool) {
	next := state{found: true, value: value, revision: revision, floor: max(revision, s.floor)}
	return next, revision == 0 || revision > s.floor
}

// step tells what a key holds after an operation, and whether it can have led to the output.
//
// An operation whose outcome is unknown may take effect at any time after its call, so one that had no effect is the same as
// one at the end of all: step need only tell what it does if it can.
func (s state) step(in input, out output) (state, bool) {
	switch {
	case in.kind == read && !out.found:
		return s, !s.found
	case in.kind == read:
		next, ok := s.at(out.revision)
		return next, ok && s.value == out.value
	case out.refused && out.revision == 0:
		return s, in.kind == cas && !s.found
	case out.refused:
		next, ok := s.at(out.revision)
		return next, ok && (in.kind == create || out.revision != in.revision)
	case in.kind == remove:
		return state{floor: s.floor}, true
	case in.kind == create && s.found:
		return s, out.unknown
	case in.kind == cas:
		before, ok := s.at(in.revision)
		if !ok {
			return s, out.unknown
		}
		return before.written(in.value, out.revision)
	}
	return s.written(in.value, out.revision)
}

func byKey(history []porcupine.Operation) [][]porcupine.Operation {
	keys := map[string][]porcupine.Operation{}
	for _, op := range history {
		key := op.Input.(input).key
		keys[key] = append(keys[key], op)
	}
	var parts [][]porcupine.Operation
	for _, part := range keys {
		parts = append(parts, part)
	}
	return parts
}

func testLinearizable(e *env) { checkLinearizable(e, 0) }

func testLinearizableThroughRestarts(e *env) { checkLinearizable(e, 4) }

// checkLinearizable lets clients work on a few keys at once, restarts the engine meanwhile, and
// looks whether what they were told can have happened in some order.
func checkLinearizable(e *env, restarts int) {
	const clients, least = 6, 60
	h := &history{start: time.Now()}
	stop := make(chan struct{})
	var wg, warm sync.WaitGroup
	for id := range clients {
		c := &client{id: id, link: e.link(), history: h, known: map[string]uint64{}}
		warm.Add(1)
		wg.Go(func() { c.work(stop, least, &warm) })
	}
	warm.Wait()
	for range restarts {
		before := h.len()
		e.restart()
		e.await("clients are back at work", func() bool { return h.len() > before+clients })
	}
	close(stop)
	wg.Wait()
	switch result := porcupine.CheckOperationsTimeout(register, h.operations, patience); result {
	case porcupine.Ok:
	default:
		for _, op := range h.operations {
			e.Logf("client %d, %v to %v: %+v -> %+v", op.ClientId, time.Duration(op.Call), time.Duration(op.Return), op.Input, op.Output)
		}
		e.Errorf("%d operations with %d restarts: want a linearizable history, got %v", len(h.operations), restarts, result)
	}
}

// history records what clients asked and were told.
type history struct {
	start      time.Time
	mu         sync.Mutex
	operations []porcupine.Operation
}

func (h *history) add(id int, in input, called time.Duration, out output) {
	op := porcupine.Operation{ClientId: id, Input: in, Call: int64(called), Output: out, Return: int64(time.Since(h.start))}
	if out.unknown {
		op.Return = math.MaxInt64
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.operations = append(h.operations, op)
}

func (h *history) len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.operations)
}

// client does random operations, one after another.
type client struct {
	id      int
	link    *link
	history *history
	known   map[string]uint64 // revisions last seen
	writes  int
}

// work goes on until stop is closed, but does at least so many operations, after half of which it is warm.
func (c *client) work(stop <-chan struct{}, least int, warm *sync.WaitGroup) {
	for n := 0; ; n++ {
		if n == least/2 {
			warm.Done()
		}
		select {
		case <-stop:
			if n >= least {
				return
			}
		default:
		}
		in := c.choose()
		called := time.Since(c.history.start)
		out, err := c.do(in)
		if err != nil && !isUncertain(err) {
			c.link.env.Errorf("client %d: %+v: %v", c.id, in, err)
		}
		if err == nil || in.kind != read { // a read that failed tells nothing
			c.history.add(c.id, in, called, out)
		}
		if err != nil {
			c.link.env.await("the engine is back", func() bool { return c.link.current.Load().Check(c.link.env.ctx) == nil })
		}
	}
}

func (c *client) choose() input {
	kinds := []kind{read, read, put, create, cas, cas, cas, cas, remove}
	in := input{kind: kinds[rand.IntN(len(kinds))], key: fmt.Sprint("key ", rand.IntN(3))}
	if in.kind == cas {
		if in.revision = c.known[in.key]; in.revision == 0 {
			in.kind = read
		}
	}
	if in.kind != read && in.kind != remove {
		c.writes++
		in.value = fmt.Sprintf("%d.%d", c.id, c.writes)
	}
	return in
}

// do performs an operation and tells what came of it.
func (c *client) do(in input) (out output, err error) {
	t := c.link.table()
	var r store.Record
	switch in.kind {
	case read:
		r, err = t.Get(t.ctx, k(in.key))
	case put:
		r, err = t.Put(t.ctx, k(in.key), []byte(in.value))
	case create:
		r, err = t.Create(t.ctx, k(in.key), []byte(in.value))
	case cas:
		r, err = t.CompareAndSet(t.ctx, k(in.key), []byte(in.value), in.revision)
	case remove:
		err = t.Delete(t.ctx, k(in.key))
	}
	switch {
	case err == nil:
		c.known[in.key] = r.Revision
		return output{found: in.kind == read, value: string(r.Value), revision: r.Revision}, nil
	case store.IsConflict(err):
		current, _ := store.CurrentRevision(err)
		c.known[in.key] = current
		return output{refused: true, revision: current}, nil
	case in.kind == read && !isUncertain(err):
		c.known[in.key] = 0
		return output{}, nil
	}
	return output{unknown: true}, err
}
