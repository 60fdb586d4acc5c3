package document_test

import (
	"testing"

	"github.com/hansom-platform/hansom/kernel/config/document"
	"pgregory.net/rapid"
)

// rfc7396 are the test cases of RFC 7396, appendix A.
var rfc7396 = []struct{ original, patch, result string }{
	{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
	{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
	{`{"a":"b"}`, `{"a":null}`, `{}`},
	{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
	{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
	{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
	{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
	{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
	{`["a","b"]`, `["c","d"]`, `["c","d"]`},
	{`{"a":"b"}`, `["c"]`, `["c"]`},
	{`{"a":"foo"}`, `null`, `null`},
	{`{"a":"foo"}`, `"bar"`, `"bar"`},
	{`{"e":null}`, `{"a":1}`, `{"a":1,"e":null}`},
	{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
	{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
}

func TestMergeIsRFC7396(t *testing.T) {
	for _, c := range rfc7396 {
		original := parse(t, c.original)
		got := string(document.Encode(document.Merge(original, parse(t, c.patch))))
		if got != c.result {
			t.Errorf("Merge(%s, %s) = %s, want %s", c.original, c.patch, got, c.result)
		}
		if again := string(document.Encode(original)); again != c.original {
			t.Errorf("Merge(%s, %s) changed its target to %s", c.original, c.patch, again)
		}
	}
}

func TestPatchTurnsOneIntoTheOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, to := drawObject(t, "from"), drawObject(t, "to")
		patch, ok := document.Patch(from, to)
		if !ok {
			return // null in to: no merge patch makes it
		}
		if got := document.Merge(from, patch); !document.Equal(got, to) {
			t.Fatalf("Merge(%s, %s) = %s, want %s", document.Encode(from), document.Encode(patch), document.Encode(got), document.Encode(to))
		}
	})
}

// Layers may be merged together first: ((a+b)+c) is (a+(b+c)) where no layer holds null.
func TestMergeIsAssociativeWithoutRemovals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := drawPlain(t, "a"), drawPlain(t, "b"), drawPlain(t, "c")
		left := document.Merge(document.Merge(a, b), c)
		if _, ok := document.Patch(map[string]any{}, left.(map[string]any)); !ok {
			return
		}
		right := document.Merge(a, document.Merge(b, c))
		if !shadowed(b, c) && !document.Equal(left, right) {
			t.Fatalf("(a+b)+c = %s, a+(b+c) = %s", document.Encode(left), document.Encode(right))
		}
	})
}

// shadowed tells whether b holds something other than an object where c holds an object: merging b
// with c first forgets that b had replaced what a held there.
func shadowed(b, c any) bool {
	m, ok := c.(map[string]any)
	if !ok {
		return false
	}
	n, ok := b.(map[string]any)
	if !ok {
		return true
	}
	for name, v := range m {
		if w, there := n[name]; there && shadowed(w, v) {
			return true
		}
	}
	return false
}

func TestChangesTellWhatToDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, to := any(drawObject(t, "from")), any(drawObject(t, "to"))
		v := from
		changes := document.Changes(from, to)
		for i := range changes {
			if c := changes[len(changes)-1-i]; document.IsAbsent(c.After) {
				v = document.Without(v, c.Path, true)
			}
		}
		for _, c := range changes {
			if !document.IsAbsent(c.After) {
				v = document.With(v, c.Path, c.After)
			}
		}
		if (len(changes) == 0) != document.Equal(from, to) {
			t.Fatalf("%d changes from %s to %s", len(changes), document.Encode(from), document.Encode(to))
		}
		if want := pruned(to); !document.Equal(pruned(v), want) {
			t.Fatalf("changes from %s made %s, want %s", document.Encode(from), document.Encode(v), document.Encode(to))
		}
	})
}

// pruned drops empty objects, which taking changes back may leave out.
func pruned(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	made := map[string]any{}
	for name, e := range m {
		e = pruned(e)
		if o, ok := e.(map[string]any); !ok || len(o) > 0 {
			made[name] = e
		}
	}
	return made
}

func parse(t testing.TB, text string) any {
	t.Helper()
	v, err := document.Parse([]byte(text))
	if err != nil {
		t.Fatalf("Parse(%s): %v", text, err)
	}
	return v
}
