package history

import (
	"encoding/json"
	"fmt"

	"github.com/hansom-platform/hansom/kernel/config/document"
)

// Origin tells which revision set each leaf of a value: one revision for all of them, or an
// origin for each member of an object.
type Origin struct {
	revision uint64
	members  map[string]*Origin
}

// At returns the revision that set the leaf at a path.
func (o *Origin) At(path []string) uint64 {
	for _, name := range path {
		o = o.member(name)
	}
	if o == nil {
		return 0
	}
	return o.revision
}

func (o *Origin) member(name string) *Origin {
	if o == nil || o.members == nil {
		return o
	}
	return o.members[name]
}

// next returns the origin after revision changed a value that has origin o.
func (o *Origin) next(before, after any, revision uint64) *Origin {
	if o != nil && document.Same(before, after) {
		return o
	}
	b, wasObject := before.(map[string]any)
	a, isObject := after.(map[string]any)
	if o == nil || !wasObject || !isObject || len(a) == 0 || len(b) == 0 {
		return &Origin{revision: revision}
	}
	made := &Origin{members: make(map[string]*Origin, len(a))}
	for name, v := range a {
		if was, ok := b[name]; ok {
			made.members[name] = o.member(name).next(was, v, revision)
		} else {
			made.members[name] = &Origin{revision: revision}
		}
	}
	return made.collapsed()
}

// collapsed returns one revision where all members have the same.
func (o *Origin) collapsed() *Origin {
	var first *Origin
	for _, m := range o.members {
		if first == nil {
			first = m
		}
		if m.members != nil || m.revision != first.revision {
			return o
		}
	}
	return first
}

// MarshalJSON implements json.Marshaler: a number, or an object of its like.
func (o *Origin) MarshalJSON() ([]byte, error) {
	if o.members == nil {
		return json.Marshal(o.revision)
	}
	return json.Marshal(o.members)
}

// UnmarshalJSON implements json.Unmarshaler.
func (o *Origin) UnmarshalJSON(text []byte) error {
	*o = Origin{}
	if len(text) > 0 && text[0] == '{' {
		return json.Unmarshal(text, &o.members)
	}
	if err := json.Unmarshal(text, &o.revision); err != nil {
		return fmt.Errorf("origin %s: %w", text, err)
	}
	return nil
}
