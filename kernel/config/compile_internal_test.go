package config

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/hansom-platform/hansom/kernel/config/document"
	"github.com/hansom-platform/hansom/kernel/config/history"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
	"github.com/hansom-platform/hansom/store"
	"github.com/hansom-platform/hansom/store/memstore"
)

var sixLayers = []string{"base", "base/core.eta", "region/local", "region/local/core.eta", "env/test", "env/test/core.eta"}

var ofEta = &configpb.CompileRequest{Layers: &configpb.Layers{Service: "core.eta", Region: "local", Environment: "test"}}

// alone is a server without a bus.
func alone(t testing.TB) *server {
	t.Helper()
	s := &server{
		config: Config{Environment: "test", Key: make([]byte, KeySize)}.withDefaults(),
		table:  store.New(memstore.New()).Table("config"), log: slog.New(slog.DiscardHandler), outbox: newOutbox(),
	}
	if err := s.open(context.Background()); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *server) put(t testing.TB, id, text string) error {
	t.Helper()
	_, err := s.change(context.Background(), "alice", "a test", false, func(state *history.State) ([]history.Edit, error) {
		return s.edits(caller{admin: true}, state, []*configpb.Edit{{Id: id, Kind: configpb.Edit_KIND_REPLACE, Json: []byte(text)}})
	})
	return err
}

func BenchmarkCompileSixLayers(b *testing.B) {
	s := alone(b)
	for i, id := range sixLayers {
		text := `{"own":{"$secret":{"value":"s","for":["core.eta"]}}`
		for n := range 20 {
			text += fmt.Sprintf(`,"part%d":{"timeout":"%dms","limit":%d,"names":["a","b"],"deep":{"layer%d":true}}`, n, i, n, i)
		}
		if err := s.put(b, id, text+"}"); err != nil {
			b.Fatal(err)
		}
	}
	c := caller{service: "core.eta"}
	b.ReportAllocs()
	b.Run("changed", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.render(context.Background(), c, s.history.State(), sixLayers, ofEta, s.history.State().Revision); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("unchanged", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.compile(context.Background(), c, s.history.State(), ofEta); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// FuzzCompile writes whatever is taken as two layers and checks what is compiled of them, explained, undone, and read
// again from the store.
func FuzzCompile(f *testing.F) {
	f.Add([]byte(`{"a":{"b":1}}`), []byte(`{"a":{"b":null,"c":[1,null]}}`))
	f.Add([]byte(`{"p":{"$secret":{"value":"x","for":["core.eta"]}}}`), []byte(`{"p":{"$secret":{"value":{"a":1}}}}`))
	f.Add([]byte(`{"":{"":null},"a/b":{"~":{}}}`), []byte(`{"":{"":{"x":1}},"a/b":1e400}`))
	f.Fuzz(func(t *testing.T, low, high []byte) {
		s, ctx := alone(t), context.Background()
		if s.put(t, "base", string(low)) != nil || s.put(t, "env/test/core.eta", string(high)) != nil {
			return
		}
		state := s.history.State()
		c := caller{service: "core.eta"}
		got, err := s.compile(ctx, c, state, ofEta)
		if err != nil {
			t.Fatalf("compile %q and %q: %v", low, high, err)
		}
		if _, err := document.ParseStored(got.GetDocument()); err != nil {
			t.Fatalf("%q and %q compile to %s: %v", low, high, got.GetDocument(), err)
		}
		again, err := history.Open(ctx, s.table, s.log)
		if err != nil {
			t.Fatalf("open the history of %q and %q: %v", low, high, err)
		}
		if reread, err := s.compile(ctx, c, again.State(), ofEta); err != nil || reread.GetHash() != got.GetHash() {
			t.Fatalf("%q and %q, read again, compile to %s, %v; want %s", low, high, reread.GetDocument(), err, got.GetDocument())
		}
		checkExplained(t, s, state)
	})
}

// checkExplained checks that every leaf of what is compiled is explained.
func checkExplained(t *testing.T, s *server, state *history.State) {
	t.Helper()
	merged, err := s.merge(t.Context(), state, sixLayers, state.Revision)
	if err != nil {
		t.Fatal(err)
	}
	x := explanation{server: s, merged: merged}
	for _, id := range []string{"env/test/core.eta", "base"} {
		if d := state.Get(id); d.Live() {
			x.layers = append(x.layers, d)
		}
	}
	leaves, err := x.leaves(t.Context())
	if want := document.Leaves(merged); err != nil || len(leaves) != len(want) && len(merged.(map[string]any)) > 0 {
		t.Fatalf("%d of %d leaves of %s are explained, %v", len(leaves), len(want), document.Encode(merged), err)
	}
}
