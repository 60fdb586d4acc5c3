package city

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hansom-platform/hansom/fault"
	citypb "github.com/hansom-platform/hansom/proto/taxi/city"
)

// substitute returns a document with members replaced, in order of their names. A
// key of set is a member's dotted path. Its value is JSON, or else text; where the
// member holds text already, it is text whatever it looks like. "" removes the member.
func substitute(document []byte, set map[string]string) ([]byte, error) {
	root, err := object(document)
	if err != nil {
		return nil, err
	}
	for _, path := range slices.Sorted(maps.Keys(set)) {
		if err := put(root, path, set[path]); err != nil {
			return nil, err
		}
	}
	return json.MarshalIndent(root, "", "  ")
}

func object(document []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	var root map[string]any
	if err := decoder.Decode(&root); err != nil || root == nil {
		return nil, fault.New(fault.Internal, "core.city.not_an_object", "the city's document is no JSON object")
	}
	return root, nil
}

func put(root map[string]any, path, text string) error {
	at, members := root, strings.Split(path, ".")
	for i, member := range members[:len(members)-1] {
		next, ok := at[member].(map[string]any)
		if !ok {
			if _, taken := at[member]; taken || text == "" {
				return badSet(path, "%s is no object", strings.Join(members[:i+1], "."))
			}
			next = map[string]any{}
			at[member] = next
		}
		at = next
	}
	last := members[len(members)-1]
	if slices.Contains(members, "") {
		return badSet(path, "want the names of members, with dots between")
	}
	if text == "" {
		delete(at, last)
		return nil
	}
	_, isText := at[last].(string)
	at[last] = value(text, isText)
	return nil
}

func value(text string, isText bool) any {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var v any
	if isText || !json.Valid([]byte(text)) || decoder.Decode(&v) != nil {
		return text
	}
	return v
}

func badSet(path, message string, args ...any) error {
	return fault.New(fault.BadRequest, "core.city.bad_substitution", "cannot set %.100q: "+message, append([]any{path}, args...)...)
}

// differences lists the members in which two documents differ, by path.
func differences(before, after []byte) ([]*citypb.Difference, error) {
	a, err := leaves(before)
	if err != nil {
		return nil, err
	}
	b, err := leaves(after)
	if err != nil {
		return nil, err
	}
	paths := maps.Clone(a)
	maps.Copy(paths, b)
	var all []*citypb.Difference
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		if a[path] != b[path] {
			all = append(all, &citypb.Difference{Path: path, Before: a[path], After: b[path]})
		}
	}
	return all, nil
}

// leaves returns what is no object in a document, as JSON by dotted path. Numbers are
// compared as they are written.
func leaves(document []byte) (map[string]string, error) {
	root, err := object(document)
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	if err := collect(all, "", root); err != nil {
		return nil, err
	}
	return all, nil
}

func collect(into map[string]string, path string, v any) error {
	if members, ok := v.(map[string]any); ok && (len(members) > 0 || path == "") {
		for name, member := range members {
			if err := collect(into, strings.TrimPrefix(path+"."+name, "."), member); err != nil {
				return err
			}
		}
		return nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write %s as JSON: %w", path, err)
	}
	into[path] = string(text)
	return nil
}
