package binding

import (
	"maps"
	"slices"

	"github.com/hansom-platform/hansom/bus"
)

// States of a binding.
const (
	stateOK      = "ok"
	stateMissing = "missing" // should be bound and is not, or not like this
	stateStray   = "stray"   // is bound and should not be, or not like this
)

// stated is a binding and how it stands.
type stated struct {
	bus.Binding
	state string
}

// compare returns the bindings of both sides with their states, sorted by
// service and instance. One that is bound with another weight, version, salt or match shows
// twice: as stray as it is and as missing as it should be.
func compare(want, actual []bus.Binding) []stated {
	type key struct{ service, instance string }
	bound := map[key][]bus.Binding{}
	for _, b := range actual {
		k := key{b.Service, b.Instance}
		bound[k] = append(bound[k], b)
	}
	var all []stated
	for _, w := range want {
		k := key{w.Service, w.Instance}
		at := slices.IndexFunc(bound[k], func(b bus.Binding) bool { return same(b, w) })
		if at < 0 {
			all = append(all, stated{w, stateMissing})
			continue
		}
		all = append(all, stated{w, stateOK})
		bound[k] = slices.Delete(bound[k], at, at+1)
	}
	for _, rest := range bound {
		for _, b := range rest {
			all = append(all, stated{b, stateStray})
		}
	}
	slices.SortStableFunc(all, func(a, b stated) int { return compareBindings(a.Binding, b.Binding) })
	return all
}

func same(a, b bus.Binding) bool {
	if !maps.Equal(a.Match, b.Match) {
		return false
	}
	return a.Service == b.Service && a.Instance == b.Instance && a.Version == b.Version &&
		a.Region == b.Region && a.Zone == b.Zone && a.Weight == b.Weight && a.Salt == b.Salt
}
