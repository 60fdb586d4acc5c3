package document

import (
	"strconv"
	"strings"
)

var escapeToken = strings.NewReplacer("~", "~0", "/", "~1")
var unescapeToken = strings.NewReplacer("~1", "/", "~0", "~")

// Pointer writes a JSON Pointer (RFC 6901). That of the whole document is "".
func Pointer(tokens ...string) string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteByte('/')
		b.WriteString(escapeToken.Replace(t))
	}
	return b.String()
}

// Tokens reads a path: a JSON Pointer if it begins with "/", else members with
// dots in between. The empty one is the whole document.
func Tokens(path string) []string {
	switch {
	case path == "":
		return nil
	case path[0] != '/':
		return strings.Split(path, ".")
	}
	tokens := strings.Split(path[1:], "/")
	for i, t := range tokens {
		tokens[i] = unescapeToken.Replace(t)
	}
	return tokens
}

// At returns what is at a path.
func At(v any, tokens []string) (any, bool) {
	for _, t := range tokens {
		switch in := v.(type) {
		case map[string]any:
			e, ok := in[t]
			if !ok {
				return nil, false
			}
			v = e
		case []any:
			i, err := strconv.Atoi(t)
			if err != nil || i < 0 || i >= len(in) || strconv.Itoa(i) != t {
				return nil, false
			}
			v = in[i]
		default:
			return nil, false
		}
	}
	return v, true
}

// With returns v with the leaf at a path of members set, making objects on the way.
func With(v any, tokens []string, leaf any) any {
	if len(tokens) == 0 {
		return leaf
	}
	m, _ := v.(map[string]any)
	changed := clone(m)
	changed[tokens[0]] = With(m[tokens[0]], tokens[1:], leaf)
	return changed
}

// Without returns v without the member at a path. Objects that become empty by it go too, where
// prune says so.
func Without(v any, tokens []string, prune bool) any {
	m, ok := v.(map[string]any)
	if !ok || len(tokens) == 0 {
		return v
	}
	inner, there := m[tokens[0]]
	if !there {
		return v
	}
	changed := clone(m)
	if len(tokens) == 1 {
		delete(changed, tokens[0])
		return changed
	}
	inner = Without(inner, tokens[1:], prune)
	if left, ok := inner.(map[string]any); prune && ok && len(left) == 0 {
		delete(changed, tokens[0])
		return changed
	}
	changed[tokens[0]] = inner
	return changed
}

func clone(m map[string]any) map[string]any {
	c := make(map[string]any, len(m)+1)
	for k, v := range m {
		c[k] = v
	}
	return c
}
