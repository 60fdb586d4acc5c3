package document

import "slices"

type absent struct{}

// Absent stands for a value that is not there, which null is not.
var Absent any = absent{}

// IsAbsent reports whether v is Absent.
func IsAbsent(v any) bool { return v == Absent }

// A Change is one leaf that differs. Before and After may be Absent.
type Change struct {
	Path          []string
	Before, After any
}

// Changes returns the leaves in which two values differ, by path. Either may be Absent.
// Where one side has an object with members and the other does not, the other's
// leaf is one change and each of the object's leaves another.
func Changes(before, after any) []Change { return appendChanges(nil, nil, before, after) }

func appendChanges(all []Change, path []string, before, after any) []Change {
	if Same(before, after) {
		return all
	}
	b, in := object(before)
	a, out := object(after)
	leafBefore, leafAfter := before, after
	if in {
		leafBefore = Absent
	}
	if out {
		leafAfter = Absent
	}
	if !Same(leafBefore, leafAfter) {
		all = append(all, Change{slices.Clone(path), leafBefore, leafAfter})
	}
	for _, name := range union(b, a) {
		all = appendChanges(all, append(path, name), member(b, name), member(a, name))
	}
	return all
}

// Same is Equal for values that may be Absent.
func Same(a, b any) bool {
	if IsAbsent(a) || IsAbsent(b) {
		return IsAbsent(a) && IsAbsent(b)
	}
	return Equal(a, b)
}

func member(m map[string]any, name string) any {
	if v, ok := m[name]; ok {
		return v
	}
	return Absent
}

// union returns the names of both objects' members, in canonical order.
func union(a, b map[string]any) []string {
	all := make(map[string]any, len(a)+len(b))
	for name := range a {
		all[name] = nil
	}
	for name := range b {
		all[name] = nil
	}
	return Members(all)
}

// A Leaf is one leaf of a value.
type Leaf struct {
	Path  []string
	Value any
}

// Leaves returns the leaves of a value, by path.
func Leaves(v any) []Leaf { return appendLeaves(nil, nil, v) }

func appendLeaves(all []Leaf, path []string, v any) []Leaf {
	m, ok := object(v)
	if !ok {
		return append(all, Leaf{slices.Clone(path), v})
	}
	for _, name := range Members(m) {
		all = appendLeaves(all, append(path, name), m[name])
	}
	return all
}
