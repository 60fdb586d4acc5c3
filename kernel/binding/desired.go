package binding

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/hansom-platform/hansom/bus"
	bindingpb "github.com/hansom-platform/hansom/proto/kernel/binding"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
)

const (
	whole = 10_000 // basis points

	// baseWeight is the weight of every instance of a service without a split, so
	// that the instances of several zones weigh the same.
	baseWeight = 100

	// maxScale keeps the greatest possible weight, whole*maxScale, within 32 bits.
	maxScale = math.MaxUint32 / whole
)

// desired returns the bindings that zone z is to have: one for each of its
// instances, sorted by service and instance, with the weights that the splits
// ask for.
//
// Within a service, the sum of the weights of a version's instances is exactly in
// proportion to the version's share, however many instances there are. Instances with an
// overlay take no part: they match their label and weigh the same. Warnings, by
// service, tell where a split cannot be had as it was asked for.
func desired(z bus.Zone, instances []*discoverypb.Instance, splits map[string]*bindingpb.Split) ([]bus.Binding, map[string][]string) {
	base := map[string][]*discoverypb.Instance{}
	var all []bus.Binding
	for _, i := range instances {
		switch {
		case i.GetRegion() != z.Region || i.GetZone() != z.Zone:
		case i.GetOverlay() != "":
			b := bind(i, baseWeight, "")
			b.Match = map[string]string{bus.HeaderOverlay: i.GetOverlay()}
			all = append(all, b)
		default:
			base[i.GetService()] = append(base[i.GetService()], i)
		}
	}
	warnings := map[string][]string{}
	for service, running := range base {
		bound, warned := weigh(running, splits[service])
		all = append(all, bound...)
		if len(warned) > 0 {
			warnings[service] = warned
		}
	}
	slices.SortFunc(all, compareBindings)
	return all, warnings
}

func bind(i *discoverypb.Instance, weight uint32, salt string) bus.Binding {
	return bus.Binding{
		Service: i.GetService(), Instance: i.GetId(), Version: i.GetVersion(),
		Region: i.GetRegion(), Zone: i.GetZone(),
		Weight: weight, Salt: salt,
	}
}

func compareBindings(a, b bus.Binding) int {
	return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Instance, b.Instance))
}

// weigh binds the instances of one service in one zone.
func weigh(running []*discoverypb.Instance, split *bindingpb.Split) ([]bus.Binding, []string) {
	versions := byVersion(running)
	if split == nil {
		split = &bindingpb.Split{}
	}
	weights, warnings := versionWeights(counts(versions), split)
	var all []bus.Binding
	for version, instances := range versions {
		slices.SortFunc(instances, func(a, b *discoverypb.Instance) int { return cmp.Compare(a.GetId(), b.GetId()) })
		n := uint64(len(instances))
		for k, i := range instances {
			w := weights[version] / n
			if uint64(k) < weights[version]%n {
				w++
			}
			all = append(all, bind(i, uint32(w), split.GetSalt()))
		}
	}
	return all, warnings
}

func byVersion(running []*discoverypb.Instance) map[string][]*discoverypb.Instance {
	versions := map[string][]*discoverypb.Instance{}
	for _, i := range running {
		versions[i.GetVersion()] = append(versions[i.GetVersion()], i)
	}
	return versions
}

func counts(versions map[string][]*discoverypb.Instance) map[string]uint64 {
	n := map[string]uint64{}
	for version, instances := range versions {
		n[version] = uint64(len(instances))
	}
	return n
}

// versionWeights returns the sum of weights that each running version is to have.
// Only their proportions matter, so that the share of a version that is not running
// goes to the others in proportion to theirs by being left out.
func versionWeights(running map[string]uint64, split *bindingpb.Split) (map[string]uint64, []string) {
	if len(split.GetShares()) == 0 {
		return scaled(running, baseWeight), nil
	}
	named, rest := map[string]uint64{}, uint64(whole)
	var warnings []string
	for _, s := range split.GetShares() {
		points := uint64(s.GetBasisPoints())
		rest -= points
		if running[s.GetVersion()] > 0 {
			named[s.GetVersion()] = points
		} else if points > 0 {
			warnings = append(warnings, fmt.Sprintf("no instance of version %s is running; its share is %s",
				s.GetVersion(), percent(s.GetBasisPoints())))
		}
	}
	unnamed := maps.Clone(running)
	maps.DeleteFunc(unnamed, func(version string, _ uint64) bool { _, ok := named[version]; return ok })
	switch {
	case sum(named)+rest == 0 || sum(named) == 0 && len(unnamed) == 0:
		return withoutShares(named, unnamed, warnings)
	case len(unnamed) == 0 && rest > 0:
		warnings = append(warnings, fmt.Sprintf("no version beside those named is running: the remaining %s go to those",
			percent(uint32(rest))))
	}
	scale := commonScale(running, named, sum(unnamed))
	weights := scaled(named, scale)
	for version, n := range unnamed {
		weights[version] = rest * n * (scale / sum(unnamed))
	}
	return weights, warnings
}

// withoutShares is for the case that nothing that runs has a share. Versions that
// the split does not name step in; one that it names with 0 % never gets anything.
func withoutShares(named, unnamed map[string]uint64, warnings []string) (map[string]uint64, []string) {
	weights := scaled(unnamed, baseWeight)
	maps.Copy(weights, scaled(named, 0))
	if len(unnamed) == 0 {
		warnings = append(warnings, "only versions with a share of 0 % are running: every request fails with NO_ROUTE")
	} else {
		warnings = append(warnings, "no version with a share is running: all requests go to the versions that are not named")
	}
	return weights, warnings
}

// commonScale returns the least number by which shares are to be multiplied so
// that they divide evenly among the instances of each version. Where that would be
// too large, it returns one that divides evenly by the number of unnamed instances
// at least, which is what exact shares need; the instances of a named version then differ by 1.
func commonScale(running, named map[string]uint64, unnamed uint64) uint64 {
	must := max(unnamed, 1)
	scale := must
	for version := range named {
		scale = lcm(scale, running[version])
		if scale > maxScale {
			return max(maxScale/must, 1) * must
		}
	}
	return scale
}

func lcm(a, b uint64) uint64 {
	g, r := a, b
	for r > 0 {
		g, r = r, g%r
	}
	return a / g * b
}

func scaled(shares map[string]uint64, scale uint64) map[string]uint64 {
	out := make(map[string]uint64, len(shares))
	for version, share := range shares {
		out[version] = share * scale
	}
	return out
}

func sum(shares map[string]uint64) uint64 {
	var total uint64
	for _, share := range shares {
		total += share
	}
	return total
}

// percent spells basis points as operators write them: 1050 is "10.5 %".
func percent(basisPoints uint32) string {
	return fmt.Sprintf("%g %%", float64(basisPoints)/100)
}
