package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hansom-platform/hansom/fault"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

func (h *house) explain(path string, asOf uint64) string {
	h.t.Helper()
	r, err := h.client.Explain(h.t.Context(), &configpb.ExplainRequest{Layers: &configpb.Layers{Service: "core.eta"}, Path: path, AsOf: asOf})
	if err != nil {
		h.t.Fatalf("explain %q: %v", path, err)
	}
	var lines []string
	for _, l := range r.GetLeaves() {
		line := fmt.Sprintf("%s %s %s@%d", l.GetPath(), l.GetValue(), l.GetId(), l.GetRevision())
		for _, o := range l.GetOverridden() {
			line += fmt.Sprintf(" over %s %s@%d", o.GetValue(), o.GetId(), o.GetRevision())
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func TestExplainNamesDocumentAndRevision(t *testing.T) {
	in(t, func(t *testing.T, h *house) {
		h.set(replace("base", `{"a":{"x":1,"y":1},"gone":1,"p":5}`))
		h.set(merge("base", `{"a":{"y":2}}`))
		h.set(replace("env/test", `{"a":{"x":3},"gone":null}`))
		h.set(replace("env/test/core.eta", `{"p":{"q":{"$secret":{"value":"s"}}}}`))
		equal(t, "all", h.explain("", 0), strings.Join([]string{
			`/a/x 3 env/test@3 over 1 base@1`,
			`/a/y 2 base@2`,
			`/p/q {"$secret":{"for":["core.eta"],"hidden":true}} env/test/core.eta@4 over 5 base@1`,
		}, "\n"))
		equal(t, "a part", h.explain("a.x", 0), `/a/x 3 env/test@3 over 1 base@1`)
		equal(t, "what was removed", h.explain("gone", 0), `/gone  env/test@3 over 1 base@1`)
		equal(t, "as of 2", h.explain("/a", 2), "/a/x 1 base@1\n/a/y 2 base@2")
		response, err := h.client.Explain(t.Context(), &configpb.ExplainRequest{Path: "nowhere"})
		mustFail(t, response, err, fault.NotFound, "nowhere")
	})
}

func TestDiffAndExport(t *testing.T) {
	in(t, func(t *testing.T, h *house) {
		h.set(replace("base", `{"a":1,"s":{"$secret":{"value":"one","for":["core.eta"]}}}`))
		h.set(merge("base", `{"a":2,"s":{"$secret":{"value":"two","for":["core.eta"]}}}`), replace("city/LON", `{}`))
		diff := func(r *configpb.DiffRequest) string {
			got, err := h.client.Diff(t.Context(), r)
			if err != nil {
				t.Fatalf("diff %v: %v", r, err)
			}
			return changes(got.GetChanges())
		}
		equal(t, "1 to now", diff(&configpb.DiffRequest{FromRevision: 1}),
			"base /a: 1 -> 2\nbase /s: "+hiddenForEta+" -> "+hiddenForEta+"\ncity/LON :  -> {}")
		equal(t, "now to 1, of base", diff(&configpb.DiffRequest{ToRevision: 1, Prefix: "base"}),
			"base /a: 2 -> 1\nbase /s: "+hiddenForEta+" -> "+hiddenForEta)

		export, err := h.client.Export(t.Context(), &configpb.ExportRequest{})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "export", string(export.GetDocument()),
			`{"documents":{"base":{"a":2,"s":`+hiddenForEta+`},"city/LON":{}},"environment":"test","revision":2}`)
		equal(t, "against itself", diff(&configpb.DiffRequest{ToExport: export.GetDocument()}), "")
		equal(t, "against another", diff(&configpb.DiffRequest{ToExport: []byte(`{"documents":{"base":{"a":9}}}`)}),
			"base /a: 2 -> 9\nbase /s: "+hiddenForEta+" -> \ncity/LON : {} -> ")
		for _, bad := range []string{`{}`, `x`, `{"documents":{"base":{"a":1,"a":2}}}`} {
			response, err := h.client.Diff(t.Context(), &configpb.DiffRequest{ToExport: []byte(bad)})
			mustFail(t, response, err, fault.BadRequest)
		}
	})
}

func TestHistoryPagesByPrefix(t *testing.T) {
	in(t, func(t *testing.T, h *house) {
		for i := range 6 {
			h.set(replace("base", fmt.Sprintf(`{"n":%d}`, i)))
			h.set(replace(fmt.Sprint("city/", i%2), fmt.Sprintf(`{"n":%d}`, i)))
		}
		history := func(r *configpb.HistoryRequest) string {
			got, err := h.client.History(t.Context(), r)
			if err != nil {
				t.Fatalf("history %v: %v", r, err)
			}
			text := ""
			for _, rev := range got.GetRevisions() {
				text += fmt.Sprintf("%d %s %s\n", rev.GetRevision(), strings.Join(rev.GetIds(), ","), changes(rev.GetChanges()))
			}
			return fmt.Sprintf("%smore: %v", text, got.GetMore())
		}
		equal(t, "newest", history(&configpb.HistoryRequest{Limit: 2}), "12 city/1 \n11 base \nmore: true")
		equal(t, "of cities, before 12", history(&configpb.HistoryRequest{Prefix: "city/", Before: 12, Limit: 2, Changes: true}),
			"10 city/0 city/0 /n: 2 -> 4\n8 city/1 city/1 /n: 1 -> 3\nmore: true")
		equal(t, "the end", history(&configpb.HistoryRequest{Prefix: "city/0", Before: 6, Limit: 5}), "2 city/0 \nmore: false")
	})
}
