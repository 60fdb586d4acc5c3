// Package document holds JSON documents as values: strict reading, canonical
// writing, merge patches (RFC 7396), differences by leaf, and secrets in their places.
// It is for kernel.config and its client, cli/config.
//
// A value is nil, bool, json.Number, string, []any, map[string]any or Secret. Values
// are immutable: nothing here changes one that it was given, and results may
// share parts with arguments.
//
// A leaf is whatever merging replaces as a whole: all but objects with members. Paths of
// leaves are JSON Pointers (RFC 6901).
package document

import (
	"encoding/json"
	"slices"
)

// The limits of one document.
const (
	MaxSize  = 512 << 10 // bytes of its text
	MaxDepth = 64        // objects and arrays inside each other
)

// object returns v as an object with members.
func object(v any) (map[string]any, bool) {
	m, ok := v.(map[string]any)
	return m, ok && len(m) > 0
}

// Equal reports whether two values are the same JSON: members in any order, numbers
// as they are written.
func Equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for name, v := range a {
			if w, ok := b[name]; !ok || !Equal(v, w) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, Equal)
	case Secret:
		b, ok := b.(Secret)
		return ok && a.Sealed == b.Sealed && slices.Equal(a.For, b.For)
	case json.Number:
		b, ok := b.(json.Number)
		return ok && a == b
	case string:
		b, ok := b.(string)
		return ok && a == b
	case bool:
		b, ok := b.(bool)
		return ok && a == b
	}
	return a == nil && b == nil
}
