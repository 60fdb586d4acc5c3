package driver

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

var (
	smallZones    = rapid.SampledFrom([]string{"a", "b"})
	smallRegions  = rapid.SampledFrom([]string{"eu", "eu", "us"})
	smallLabels   = rapid.SampledFrom([]string{"", "alice", "bob"})
	smallVersions = rapid.SampledFrom([]string{"1", "2", "3"})
)

func genBinding(t *rapid.T, i int) Binding {
	b := Binding{
		Service:  "svc",
		Instance: fmt.Sprint("i", i),
		Version:  smallVersions.Draw(t, "version"),
		Region:   smallRegions.Draw(t, "region"),
		Zone:     smallZones.Draw(t, "zone"),
		Weight:   rapid.Uint32Range(0, 3).Draw(t, "weight"),
	}
	for _, key := range []string{HeaderOverlay, HeaderEndpoint} {
		if rapid.Bool().Draw(t, "matches "+key) {
			if b.Match == nil {
				b.Match = map[string]string{}
			}
			b.Match[key] = smallLabels.Draw(t, key)
		}
	}
	return b
}

func genBindings(t *rapid.T) []Binding {
	all := make([]Binding, rapid.IntRange(0, 8).Draw(t, "bindings"))
	for i := range all {
		all[i] = genBinding(t, i)
	}
	return all
}

func genQuery(t *rapid.T) Query {
	q := Query{
		Header:  Header{{HeaderService, "svc"}},
		From:    Zone{"eu", smallZones.Draw(t, "from")},
		Crossed: rapid.Bool().Draw(t, "crossed"),
	}
	for _, key := range []string{HeaderOverlay, HeaderEndpoint} {
		if v := smallLabels.Draw(t, "message's "+key); v != "" {
			q.Header.Set(key, v)
		}
	}
	if rapid.Bool().Draw(t, "has a cohort") {
		q.Header.Set(HeaderCohort, fmt.Sprint(rapid.IntRange(0, Cohorts-1).Draw(t, "cohort")))
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "tried") {
		q.Tried = append(q.Tried, fmt.Sprint("i", i))
	}
	return q
}

// filter is the routing rule written a second time, step by step as in the
// design, without a thought for speed. It returns who may get the message, with
// any version.
func filter(bindings []Binding, q Query) []Binding {
	left := slices.DeleteFunc(slices.Clone(bindings), func(b Binding) bool {
		for k, v := range b.Match {
			if q.Header.Get(k) != v {
				return true
			}
		}
		return b.Weight == 0 || slices.Contains(q.Tried, b.Instance)
	})
	most := 0
	for _, b := range left {
		most = max(most, len(b.Match))
	}
	left = slices.DeleteFunc(left, func(b Binding) bool { return len(b.Match) < most || b.Region != q.From.Region })
	local := slices.DeleteFunc(slices.Clone(left), func(b Binding) bool { return b.Zone != q.From.Zone })
	if len(local) > 0 || q.Crossed {
		return local
	}
	return left
}

func TestRouteFollowsTheRule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bindings, q := genBindings(t), genQuery(t)
		want := filter(bindings, q)
		got, miss := outcomes(t, bindings, q)
		if (miss != Hit) != (len(want) == 0) {
			t.Fatalf("miss %d, though these may get it: %v", miss, want)
		}
		versions := map[string]bool{}
		for instance := range got {
			i := slices.IndexFunc(want, func(b Binding) bool { return b.Instance == instance })
			if i < 0 {
				t.Fatalf("%s was chosen; want one of %v", instance, want)
			}
			versions[want[i].Version] = true
			if n := got[instance]; len(got) > 1 && n != uint64(want[i].Weight) {
				t.Fatalf("%s takes %d of the draws; want its weight %d", instance, n, want[i].Weight)
			}
		}
		if cohort := CohortOf(q.Header); cohort != NoCohort {
			if len(versions) > 1 {
				t.Fatalf("cohort %d met versions %v; want one", cohort, versions)
			}
			want = slices.DeleteFunc(want, func(b Binding) bool { return !versions[b.Version] })
		}
		if len(got) != len(want) {
			t.Fatalf("%v can be chosen; want each of %v", got, want)
		}
	})
}

// genFleet makes instances of up to five versions, all in one zone.
func genFleet(t *rapid.T) []Binding {
	all := make([]Binding, rapid.IntRange(1, 10).Draw(t, "instances"))
	for i := range all {
		all[i] = Binding{
			Service: "svc", Instance: fmt.Sprint("i", i), Salt: "salt",
			Version: fmt.Sprint("v", rapid.IntRange(0, 4).Draw(t, "version")),
			Weight:  rapid.Uint32Range(1, 100).Draw(t, "weight"),
		}
	}
	return all
}

func choices(t *rapid.T, bindings []Binding) (all [500]string) {
	for i := range all {
		all[i] = versionOf(t, bindings, i*Cohorts/len(all))
	}
	return all
}

// TestCohortsStay: when an instance comes, every cohort stays at its version or
// moves to the newcomer's; when it leaves again, all is as before.
func TestCohortsStay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fleet := genFleet(t)
		before := choices(t, fleet)
		newcomer := Binding{
			Service: "svc", Instance: "new", Salt: "salt",
			Version: fmt.Sprint("v", rapid.IntRange(0, 6).Draw(t, "new version")),
			Weight:  rapid.Uint32Range(1, 100).Draw(t, "new weight"),
		}
		at := rapid.IntRange(0, len(fleet)).Draw(t, "position")
		grown := slices.Insert(slices.Clone(fleet), at, newcomer)
		for i, version := range choices(t, grown) {
			if version != before[i] && version != newcomer.Version {
				t.Fatalf("cohort %d moved from %s to %s when an instance of %s came", i, before[i], version, newcomer.Version)
			}
		}
		if choices(t, slices.Delete(grown, at, at+1)) != before {
			t.Fatal("cohorts differ from before after the instance left")
		}
	})
}

// TestCohortsIgnoreInstances: only a version's whole weight counts.
func TestCohortsIgnoreInstances(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fleet := genFleet(t)
		var split []Binding
		for _, b := range fleet {
			half := b
			half.Instance += "-half"
			half.Weight = b.Weight / 2
			b.Weight -= half.Weight
			split = append([]Binding{b, half}, split...)
		}
		if choices(t, split) != choices(t, fleet) {
			t.Fatal("cohorts moved when each instance became two of half the weight")
		}
	})
}

// TestCohortShares: versions get cohorts in proportion to their weights, and
// another salt chooses other cohorts.
func TestCohortShares(t *testing.T) {
	fleet := func(salt string) []Binding {
		return []Binding{
			{Service: "svc", Instance: "i1", Version: "old", Weight: 90, Salt: salt},
			{Service: "svc", Instance: "i2", Version: "new", Weight: 10, Salt: salt},
		}
	}
	count, both := 0, 0
	for cohort := range Cohorts {
		first := versionOf(t, fleet("first"), cohort) == "new"
		if first {
			count++
		}
		if first && versionOf(t, fleet("second"), cohort) == "new" {
			both++
		}
	}
	if sd := math.Sqrt(Cohorts * 0.1 * 0.9); math.Abs(float64(count)-1000) > 4*sd {
		t.Errorf("%d of %d cohorts meet the version with a tenth of the weight; want 1000 ± %.0f", count, Cohorts, 4*sd)
	}
	if sd := math.Sqrt(Cohorts * 0.01 * 0.99); math.Abs(float64(both)-100) > 4*sd {
		t.Errorf("%d cohorts are guinea pigs under both salts; want 100 ± %.0f", both, 4*sd)
	}
}

// FuzzRoute: whatever a message carries, the rule chooses a binding that exists
// or says why not.
func FuzzRoute(f *testing.F) {
	f.Add("core.eta", "4711", "alice", uint32(1), uint32(0), uint64(3))
	f.Add("", "-1", "", uint32(0), uint32(0), uint64(0))
	f.Add("core.eta", "99999999999999999999", "\x00", uint32(math.MaxUint32), uint32(math.MaxUint32), uint64(math.MaxUint64))
	f.Fuzz(func(t *testing.T, service, cohort, overlay string, w1, w2 uint32, draw uint64) {
		bindings := []Binding{
			{Service: service, Instance: "1", Version: cohort, Weight: w1, Zone: "a", Match: map[string]string{HeaderOverlay: overlay}},
			{Service: service, Instance: "2", Version: overlay, Weight: w2, Zone: overlay},
			{Service: service, Instance: "3", Version: "3", Weight: w1, Zone: "a", Salt: service},
		}
		q := Query{
			Header: Header{{HeaderService, service}, {HeaderCohort, cohort}, {HeaderOverlay, overlay}},
			From:   Zone{Zone: "a"}, Tried: []string{cohort},
			Rand: func(n uint64) uint64 { return draw % n },
		}
		i, miss := Route(bindings, q)
		if (i >= 0) != (miss == Hit) || i >= len(bindings) {
			t.Fatalf("index %d with miss %d", i, miss)
		}
		if i >= 0 && bindings[i].Weight == 0 {
			t.Fatalf("binding %d has weight 0", i)
		}
		if i < 0 && NoRoute(service, miss, noTime).Reason == "" {
			t.Fatalf("miss %d has no reason", miss)
		}
	})
}

func BenchmarkRoute(b *testing.B) {
	for _, n := range []int{1, 10, 1000} {
		bindings := make([]Binding, n)
		for i := range bindings {
			bindings[i] = Binding{Service: "svc", Instance: fmt.Sprint("i", i), Version: fmt.Sprint("v", i%3), Zone: "a", Weight: 100}
		}
		for _, cohort := range []string{"", "4711"} {
			q := Query{Header: Header{{HeaderService, "svc"}, {HeaderEndpoint, "estimate"}, {HeaderCohort, cohort}}, From: Zone{Zone: "a"}, Rand: rand.Uint64N}
			b.Run(fmt.Sprintf("bindings=%d/cohort=%v", n, cohort != ""), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					Route(bindings, q)
				}
			})
		}
	}
}
