package document

// Merge applies a merge patch to a target (RFC 7396 §2): objects merge, null
// removes, all else replaces.
func Merge(target, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	t, _ := target.(map[string]any)
	merged := make(map[string]any, len(t)+len(p))
	for name, v := range t {
		merged[name] = v
	}
	for name, v := range p {
		if v == nil {
			delete(merged, name)
			continue
		}
		merged[name] = Merge(merged[name], v)
	}
	return merged
}

// Patch returns a merge patch that turns one object into the other. There is none
// where to holds null in an object: ok is false then.
func Patch(from, to map[string]any) (patch map[string]any, ok bool) {
	patch = map[string]any{}
	for name := range from {
		if _, kept := to[name]; !kept {
			patch[name] = nil
		}
	}
	for name, want := range to {
		have, there := from[name]
		if there && Equal(have, want) {
			continue
		}
		h, isObject := have.(map[string]any)
		w, wantsObject := want.(map[string]any)
		switch {
		case wantsObject && isObject:
			if patch[name], ok = Patch(h, w); !ok {
				return nil, false
			}
		case want == nil || wantsObject && hasNull(w):
			return nil, false
		default:
			patch[name] = want
		}
	}
	return patch, true
}

// hasNull reports whether merging would drop members of v.
func hasNull(v any) bool {
	m, ok := v.(map[string]any)
	if !ok {
		return v == nil
	}
	for _, e := range m {
		if hasNull(e) {
			return true
		}
	}
	return false
}
