package document_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/hansom-platform/hansom/kernel/config/document"
)

// FuzzParse holds Parse against encoding/json: what it takes they read alike, and what it writes it reads again.
func FuzzParse(f *testing.F) {
	for _, c := range rfc7396 {
		f.Add([]byte(c.original))
		f.Add([]byte(c.patch))
	}
	f.Add([]byte(`{"a":"\ud83d\ude00\u0000","b":[1e5,-0.5,[]]}`))
	f.Add([]byte(`{"a":1,"a":2}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := document.Parse(text)
		if err != nil {
			return
		}
		d := json.NewDecoder(strings.NewReader(string(text)))
		d.UseNumber()
		var want any
		if err := d.Decode(&want); err != nil {
			t.Fatalf("Parse(%q) took what encoding/json refuses: %v", text, err)
		}
		if !reflect.DeepEqual(v, want) {
			t.Fatalf("Parse(%q) = %#v, encoding/json has %#v", text, v, want)
		}
		again, err := document.Parse(document.Encode(v))
		if err != nil || !document.Equal(again, v) {
			t.Fatalf("Encode(%q) = %s, which is read as %v, %v", text, document.Encode(v), again, err)
		}
	})
}

// FuzzMerge checks merge patches and their making on whatever two texts say.
func FuzzMerge(f *testing.F) {
	for _, c := range rfc7396 {
		f.Add([]byte(c.original), []byte(c.patch))
	}
	f.Fuzz(func(t *testing.T, one, other []byte) {
		a, err := document.Parse(one)
		if err != nil {
			return
		}
		b, err := document.Parse(other)
		if err != nil {
			return
		}
		once := document.Merge(a, b)
		if twice := document.Merge(once, b); !document.Equal(once, twice) {
			t.Fatalf("Merge(%s, %s) = %s; again %s", one, other, document.Encode(once), document.Encode(twice))
		}
		from, ok := a.(map[string]any)
		to, both := b.(map[string]any)
		if !ok || !both {
			return
		}
		if patch, ok := document.Patch(from, to); ok && !document.Equal(document.Merge(from, patch), to) {
			t.Fatalf("Patch(%s, %s) = %s, which makes %s", one, other, document.Encode(patch), document.Encode(document.Merge(from, patch)))
		}
	})
}
