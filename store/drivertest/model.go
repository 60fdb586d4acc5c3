package drivertest

import (
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"pgregory.net/rapid"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store"
)

// testModel runs random sequences of operations against the store and a map, which must agree.
func testModel(e *env) {
	t := e.table()
	var partitions atomic.Int64
	rapid.Check(e.TB, func(rt *rapid.T) {
		m := &model{
			t: rt, table: t, partition: fmt.Sprint("model ", partitions.Add(1)),
			records: map[string]store.Record{}, last: map[string]uint64{},
		}
		rt.Repeat(map[string]func(*rapid.T){
			"put":    func(*rapid.T) { m.single(m.putOp(m.key())) },
			"create": func(*rapid.T) { m.single(m.createOp(m.key())) },
			"cas":    func(*rapid.T) { m.single(m.casOp(m.key())) },
			"delete": func(*rapid.T) { m.single(m.deleteOp(m.key())) },
			"cad":    func(*rapid.T) { m.single(m.cadOp(m.key())) },
			"batch":  func(*rapid.T) { m.batch() },
			"get":    func(*rapid.T) { m.get(m.key()) },
			"range":  func(*rapid.T) { m.scan() },
		})
	})
}

// model is what one partition must hold.
type model struct {
	t         *rapid.T
	table     table
	partition string
	records   map[string]store.Record
	last      map[string]uint64 // the last revision that each key ever had
}

// modelOp is an operation with what the model expects of it.
type modelOp struct {
	key     string
	op      store.Op
	value   string
	deletes bool
	refusal string // the expected reason; empty: it is applied
}

func (m *model) key() string {
	return rapid.SampledFrom([]string{"", "a", "a/", "a/b", "b", "é", "😀"}).Draw(m.t, "key")
}

func (m *model) value() string { return rapid.StringN(0, 8, -1).Draw(m.t, "value") }

func (m *model) putOp(key string) modelOp {
	v := m.value()
	return modelOp{key: key, op: store.PutOp(key, []byte(v)), value: v}
}

func (m *model) createOp(key string) modelOp {
	v, refusal := m.value(), ""
	if _, ok := m.records[key]; ok {
		refusal = store.ReasonExists
	}
	return modelOp{key: key, op: store.CreateOp(key, []byte(v)), value: v, refusal: refusal}
}

// revision draws the key's revision, or another one, and what a condition on it leads to.
func (m *model) revision(key string) (revision uint64, refusal string) {
	r, ok := m.records[key]
	revision = max(m.last[key], 1)
	if rapid.Bool().Draw(m.t, "wrong revision") {
		revision = rapid.Uint64Range(1, m.last[key]+2).Draw(m.t, "revision")
	}
	switch {
	case !ok:
		refusal = store.ReasonNotFound
	case r.Revision != revision:
		refusal = store.ReasonConflict
	}
	return revision, refusal
}

func (m *model) casOp(key string) modelOp {
	v := m.value()
	revision, refusal := m.revision(key)
	return modelOp{key: key, op: store.CompareAndSetOp(key, []byte(v), revision), value: v, refusal: refusal}
}

func (m *model) deleteOp(key string) modelOp {
	return modelOp{key: key, op: store.DeleteOp(key), deletes: true}
}

func (m *model) cadOp(key string) modelOp {
	revision, refusal := m.revision(key)
	return modelOp{key: key, op: store.CompareAndDeleteOp(key, revision), deletes: true, refusal: refusal}
}

func (m *model) single(op modelOp) { m.apply([]modelOp{op}) }

func (m *model) batch() {
	makers := []func(string) modelOp{m.putOp, m.createOp, m.casOp, m.deleteOp, m.cadOp}
	keys := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"", "a", "a/b", "b", "é"}), 1, 4, rapid.ID[string]).Draw(m.t, "keys")
	ops := make([]modelOp, len(keys))
	for i, key := range keys {
		ops[i] = rapid.SampledFrom(makers).Draw(m.t, "kind")(key)
	}
	m.apply(ops)
}

// apply does operations in one step and compares what came of it.
func (m *model) apply(ops []modelOp) {
	refusal, todo := "", make([]store.Op, len(ops))
	for i, o := range ops {
		todo[i] = o.op
		if refusal == "" {
			refusal = o.refusal
		}
	}
	got, err := m.table.Batch(m.table.ctx, m.partition, todo...)
	if reason := fault.ReasonOf(err); reason != refusal {
		m.t.Fatalf("batch %+v: want refusal %q, got %v", ops, refusal, err)
	}
	if err != nil {
		return
	}
	for i, o := range ops {
		if o.deletes {
			delete(m.records, o.key)
			continue
		}
		if got[i].Revision <= m.last[o.key] {
			m.t.Fatalf("write to %q: want a revision above %d, got %d", o.key, m.last[o.key], got[i].Revision)
		}
		m.last[o.key] = got[i].Revision
		m.records[o.key] = store.Record{Value: []byte(o.value), Revision: got[i].Revision}
	}
}

func (m *model) get(key string) {
	got, err := m.table.Get(m.table.ctx, store.Key{Partition: m.partition, Clustering: key})
	want, ok := m.records[key]
	switch {
	case !ok && fault.ReasonOf(err) == store.ReasonNotFound:
	case !ok || err != nil:
		m.t.Fatalf("get %q: want %+v (found: %v), got %+v, %v", key, want, ok, got, err)
	case string(got.Value) != string(want.Value) || got.Revision != want.Revision:
		m.t.Fatalf("get %q: want %q at %d, got %q at %d", key, want.Value, want.Revision, got.Value, got.Revision)
	}
}

func (m *model) scan() {
	bound := rapid.SampledFrom([]string{"", "a", "a/", "a0", "b", "z", "\xff"})
	r := store.Range{
		From: bound.Draw(m.t, "from"), To: bound.Draw(m.t, "to"), Prefix: rapid.SampledFrom([]string{"", "a", "a/"}).Draw(m.t, "prefix"),
		Reverse: rapid.Bool().Draw(m.t, "reverse"), Limit: rapid.IntRange(1, 4).Draw(m.t, "limit"),
	}
	var got []string
	for rec, err := range m.table.All(m.table.ctx, m.partition, r) {
		if err != nil {
			m.t.Fatalf("range %+v: %v", r, err)
		}
		got = append(got, rec.Key.Clustering)
	}
	var want []string
	for _, key := range slices.Sorted(maps.Keys(m.records)) {
		if key >= r.From && (r.To == "" || key < r.To) && len(key) >= len(r.Prefix) && key[:len(r.Prefix)] == r.Prefix {
			want = append(want, key)
		}
	}
	if r.Reverse {
		slices.Reverse(want)
	}
	if !slices.Equal(got, want) {
		m.t.Fatalf("range %+v: want %q, got %q", r, want, got)
	}
}
