package document

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
)

// secretMember marks a secret: {"$secret": {...}}, with no other members beside it.
const secretMember = "$secret"

// Secret stands in a document's tree where a secret is: a leaf whose value is
// sealed. Two secrets are equal when they are the same sealing for the same services.
type Secret struct {
	Document string // id of the document that holds it
	Sealed   string
	For      []string // the services that may read it, in alphabetical order
}

// Given is a secret as an author writes it: a value, or Hidden, which keeps what is stored.
type Given struct {
	Value  any
	Hidden bool
	For    []string // nil where it is left out
}

func hideSecret(s Secret) any { return Hidden(s) }

// Hidden is what those see who may not read a secret.
func Hidden(s Secret) any {
	return map[string]any{secretMember: map[string]any{"hidden": true, "for": names(s.For)}}
}

func sealedSecret(s Secret) any {
	return map[string]any{secretMember: map[string]any{"sealed": s.Sealed, "for": names(s.For)}}
}

func names(services []string) []any {
	all := make([]any, len(services))
	for i, s := range services {
		all[i] = s
	}
	return all
}

// replace returns v with f's result in place of everything that f replaces.
func replace(v any, path []string, f func(path []string, v any) (any, bool, error)) (any, error) {
	if r, ok, err := f(path, v); ok || err != nil {
		return r, err
	}
	switch v := v.(type) {
	case map[string]any:
		made := make(map[string]any, len(v))
		for _, name := range Members(v) {
			e, err := replace(v[name], append(path, name), f)
			if err != nil {
				return nil, err
			}
			made[name] = e
		}
		return made, nil
	case []any:
		made := make([]any, len(v))
		for i := range v {
			e, err := replace(v[i], append(path, strconv.Itoa(i)), f)
			if err != nil {
				return nil, err
			}
			made[i] = e
		}
		return made, nil
	}
	return v, nil
}

// marked returns what stands in the secret that v marks.
func marked(v any) (content any, ok bool) {
	m, _ := v.(map[string]any)
	content, ok = m[secretMember]
	return content, ok
}

// ReadSecrets puts what seal returns in place of every secret of a parsed document, which an
// author wrote. Paths must not be kept.
func ReadSecrets(v any, seal func(path []string, g Given) (Secret, error)) (any, error) {
	return replace(v, nil, func(path []string, v any) (any, bool, error) {
		content, ok := marked(v)
		if !ok {
			return nil, false, nil
		}
		g, problem := given(v.(map[string]any), content)
		if problem != "" {
			return nil, true, fmt.Errorf("%s: %s", place(path), problem)
		}
		s, err := seal(path, g)
		if err != nil {
			return nil, true, fmt.Errorf("%s: %w", place(path), err)
		}
		return s, true, nil
	})
}

// place names a path in a message.
func place(path []string) string {
	if len(path) == 0 {
		return "at the top"
	}
	return "at " + Pointer(path...)
}

func given(around map[string]any, content any) (g Given, problem string) {
	c, ok := content.(map[string]any)
	if !ok || len(around) != 1 {
		return g, `a secret is {"$secret": {"value": ..., "for": ["<service>"]}}, with nothing beside it`
	}
	var value, hidden bool
	for name, v := range c {
		switch name {
		case "value":
			g.Value, value = v, true
		case "hidden":
			g.Hidden, hidden = v == true, true
		case "for":
			if g.For, problem = readers(v); problem != "" {
				return g, problem
			}
		default:
			return g, fmt.Sprintf(`%q is no member of a secret; it has "value", or "hidden": true, and "for"`, name)
		}
	}
	switch {
	case value == hidden || hidden && !g.Hidden:
		return g, `a secret has either a "value" or "hidden": true, which keeps what is stored`
	case value && (g.Value == nil || hasMark(g.Value)):
		return g, "the value of a secret is any JSON but null and another secret"
	}
	return g, ""
}

func hasMark(v any) bool {
	found := false
	_, _ = replace(v, nil, func(_ []string, v any) (any, bool, error) {
		_, ok := marked(v)
		found = found || ok
		return v, ok, nil
	})
	return found
}

var serviceName = regexp.MustCompile(`^[a-z][a-z0-9]*(\.[a-z][a-z0-9]*)+$`)

func readers(v any) (services []string, problem string) {
	const want = `"for" of a secret lists the names of the services that may read it, such as ["core.eta"]`
	all, ok := v.([]any)
	if !ok || len(all) == 0 {
		return nil, want
	}
	for _, e := range all {
		s, ok := e.(string)
		if !ok || !serviceName.MatchString(s) {
			return nil, want
		}
		services = append(services, s)
	}
	slices.Sort(services)
	return slices.Compact(services), ""
}

// ReadStored puts Secrets where a document that EncodeStored wrote has sealed ones.
func ReadStored(id string, v any) any {
	read, _ := replace(v, nil, func(_ []string, v any) (any, bool, error) {
		content, ok := marked(v)
		c, isObject := content.(map[string]any)
		if !ok || !isObject {
			return nil, false, nil
		}
		s := Secret{Document: id}
		s.Sealed, _ = c["sealed"].(string)
		s.For, _ = readers(c["for"])
		return s, true, nil
	})
	return read
}

// Reveal returns v with what show returns in place of every secret. Paths must not be kept.
func Reveal(v any, show func(path []string, s Secret) (any, error)) (any, error) {
	return replace(v, nil, func(path []string, v any) (any, bool, error) {
		s, ok := v.(Secret)
		if !ok {
			return nil, false, nil
		}
		r, err := show(path, s)
		return r, true, err
	})
}
