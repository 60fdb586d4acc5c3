package arch

import (
	"path"
	"strings"
	"testing"
)

// captures holds what the named elements of a pattern stood for.
type captures map[string]string

// match says whether pkg is one of pattern's packages, and what its named elements stand for. Elements named in known
// must stand for the same again.
func match(pattern, pkg string, known captures) (captures, bool) {
	base, below := strings.CutSuffix(pattern, "/...")
	want, got := strings.Split(base, "/"), strings.Split(pkg, "/")
	if len(got) < len(want) || len(got) > len(want) && !below {
		return nil, false
	}
	found := captures{}
	for i, w := range want {
		name, named := strings.Trim(w, "{}"), strings.HasPrefix(w, "{")
		switch {
		case named && known[name] == "":
			found[name] = got[i]
		case named && known[name] == got[i]:
		case w == "*" || w == got[i]:
		default:
			return nil, false
		}
	}
	return found, true
}

func matchAny(patterns []string, pkg string, known captures) bool {
	for _, p := range patterns {
		if _, ok := match(p, pkg, known); ok {
			return true
		}
	}
	return false
}

// ruleFor returns the first rule for pkg with what its named elements stand for.
func ruleFor(rules []rule, pkg string) (rule, captures, bool) {
	for _, r := range rules {
		if found, ok := match(r.packages, pkg, nil); ok {
			return r, found, true
		}
	}
	return rule{}, nil, false
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, pkg string
		known        captures
		want         bool
	}{
		{"bus", "bus", nil, true},
		{"bus", "bus/driver", nil, false},
		{"bus/...", "bus", nil, true},
		{"bus/...", "bus/natsbus/wire", nil, true},
		{"bus/...", "business", nil, false},
		{"*/drivertest", "coord/drivertest", nil, true},
		{"*/drivertest", "drivertest", nil, false},
		{"kernel/{s}/...", "kernel", nil, false},
		{"kernel/{s}/...", "kernel/binding/plan", captures{"s": "binding"}, true},
		{"kernel/{s}/...", "kernel/discovery", captures{"s": "binding"}, false},
	} {
		if _, got := match(c.pattern, c.pkg, c.known); got != c.want {
			t.Errorf("match(%q, %q, %v) = %v, want %v", c.pattern, c.pkg, c.known, got, c.want)
		}
	}
}

// A rule that an earlier one hides would promise what is never applied.
func TestEveryRuleIsReachable(t *testing.T) {
	for i, r := range table {
		example := strings.NewReplacer("{", "", "}", "").Replace(strings.TrimSuffix(r.packages, "/..."))
		first, _, _ := ruleFor(table, path.Clean(example))
		if first.packages != r.packages {
			t.Errorf("rule %d (%s) is hidden by the rule for %s, which comes before it", i, r.packages, first.packages)
		}
	}
}
