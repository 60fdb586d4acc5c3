package binding

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/bus/driver"
	bindingpb "github.com/hansom-platform/hansom/proto/kernel/binding"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
)

var here = bus.Zone{Region: "eu-west-1", Zone: "a"}

const service = "core.eta"

// running makes n instances of each version given as "version*n".
func running(versions ...string) []*discoverypb.Instance {
	var all []*discoverypb.Instance
	for _, v := range versions {
		version, times, _ := strings.Cut(v, "*")
		n, err := strconv.Atoi(cmp.Or(times, "1"))
		if err != nil {
			panic(err)
		}
		for k := range n {
			all = append(all, &discoverypb.Instance{
				Id: fmt.Sprintf("%s-%s-%03d", service, version, k), Service: service, Version: version,
				Region: here.Region, Zone: here.Zone,
			})
		}
	}
	return all
}

// splitOf makes a split of shares given as "version=percent".
func splitOf(shares ...string) map[string]*bindingpb.Split {
	s := &bindingpb.Split{Service: service, Salt: "salt"}
	for _, share := range shares {
		version, value, _ := strings.Cut(share, "=")
		percent, err := strconv.ParseFloat(value, 64)
		if err != nil {
			panic(err)
		}
		s.Shares = append(s.Shares, &bindingpb.Share{Version: version, BasisPoints: uint32(percent * 100)})
	}
	return map[string]*bindingpb.Split{service: s}
}

func versionSums(bindings []bus.Binding) map[string]uint64 {
	sums := map[string]uint64{}
	for _, b := range bindings {
		sums[b.Version] += uint64(b.Weight)
	}
	return sums
}

// spell writes the proportions of sums in lowest terms: "v1:9 v2:1".
func spell(sums map[string]uint64) string {
	var divisor uint64
	for _, n := range sums {
		for n > 0 {
			divisor, n = n, divisor%n
		}
	}
	var words []string
	for _, version := range slices.Sorted(maps.Keys(sums)) {
		words = append(words, fmt.Sprintf("%s:%d", version, sums[version]/max(divisor, 1)))
	}
	return strings.Join(words, " ")
}

func TestDesiredProportions(t *testing.T) {
	for _, c := range []struct {
		name    string
		running []string
		split   []string
		want    string
		warning string // a part of the only one; empty: none
	}{
		{"no split: every instance the same", []string{"v1*3", "v2"}, nil, "v1:3 v2:1", ""},
		{"the trap: v2=10 is 10 % whatever the counts", []string{"v1*3", "v2"}, []string{"v2=10"}, "v1:9 v2:1", ""},
		{"many of the small share", []string{"v1", "v2*7"}, []string{"v2=10"}, "v1:9 v2:1", ""},
		{"unnamed versions share the rest by instances", []string{"v1*3", "v2", "v3*1"}, []string{"v2=20"}, "v1:3 v2:1 v3:1", ""},
		{"fractions of a percent", []string{"v1*2", "v2*3"}, []string{"v2=0.01"}, "v1:9999 v2:1", ""},
		{"all named", []string{"v1*5", "v2*3"}, []string{"v1=25", "v2=75"}, "v1:1 v2:3", ""},
		{"everything to one", []string{"v1*5", "v2*3"}, []string{"v2=100"}, "v1:0 v2:1", ""},
		{"nothing to one", []string{"v1*5", "v2*3"}, []string{"v2=0"}, "v1:1 v2:0", ""},
		{"absent version: the others in proportion", []string{"v1", "v2"}, []string{"v1=20", "v2=60", "v3=20"}, "v1:1 v2:3", "no instance of version v3"},
		{"absent version beside an unnamed one", []string{"v1*4"}, []string{"v2=10"}, "v1:1", "no instance of version v2"},
		{"the rest has no version", []string{"v1", "v2"}, []string{"v1=10", "v2=30"}, "v1:1 v2:3", "no version beside those named"},
		{"absent version with everything: the unnamed step in", []string{"v1*2", "v3"}, []string{"v2=100"}, "v1:2 v3:1", "no version with a share"},
		{"0 % never steps in", []string{"v1*2"}, []string{"v1=0"}, "v1:0", "fails with NO_ROUTE"},
		{"0 % never steps in beside an unnamed one", []string{"v1*2", "v3"}, []string{"v1=0", "v2=100"}, "v1:0 v3:1", "no version with a share"},
	} {
		t.Run(c.name, func(t *testing.T) {
			splits := splitOf(c.split...)
			if c.split == nil {
				splits = nil
			}
			got, warnings := desired(here, running(c.running...), splits)
			if s := spell(versionSums(got)); s != c.want {
				t.Errorf("proportions of %v with split %v: want %s, got %s", c.running, c.split, c.want, s)
			}
			all := strings.Join(warnings[service], "\n")
			if (c.warning == "") != (all == "") || !strings.Contains(all, c.warning) {
				t.Errorf("warnings of %v with split %v: want one with %q, got %q", c.running, c.split, c.warning, all)
			}
		})
	}
}

func TestDesiredIsOfTheZoneOnly(t *testing.T) {
	all := running("v1*2")
	all[1].Zone = "b"
	got, _ := desired(here, all, nil)
	if len(got) != 1 || got[0].Instance != all[0].GetId() {
		t.Errorf("want only %s, which runs in %s, got %v", all[0].GetId(), here, got)
	}
}

func TestDesiredLeavesOverlaysOutOfTheSplit(t *testing.T) {
	all := running("v1*2", "v2")
	all[2].Overlay = "alice"
	got, _ := desired(here, all, splitOf("v2=50"))
	byInstance := map[string]bus.Binding{}
	for _, b := range got {
		byInstance[b.Instance] = b
	}
	overlay := byInstance[all[2].GetId()]
	if overlay.Match[bus.HeaderOverlay] != "alice" || overlay.Weight == 0 {
		t.Errorf("instance with overlay alice: want a match on it and a weight, got %v", overlay)
	}
	for _, i := range all[:2] {
		if b := byInstance[i.GetId()]; len(b.Match) != 0 || b.Weight == 0 {
			t.Errorf("instance without overlay: want no match and a weight, got %v", b)
		}
	}
}

// TestSplitsAreExact: whatever runs and whatever is asked for, the proportions of
// the versions are exact, each instance is bound once, and those of a version weigh the same, give or take 1.
func TestSplitsAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := []string{"v1", "v2", "v3", "v4"}
		var versions []string
		counts := map[string]int{}
		for _, v := range names {
			counts[v] = rapid.IntRange(0, 400).Draw(t, "instances of "+v)
			if counts[v] > 0 {
				versions = append(versions, fmt.Sprintf("%s*%d", v, counts[v]))
			}
		}
		split := &bindingpb.Split{Service: service, Salt: "salt"}
		shares, left := map[string]int{}, whole
		for _, v := range names {
			if rapid.Bool().Draw(t, v+" named") {
				shares[v] = rapid.IntRange(0, left).Draw(t, "share of "+v)
				left -= shares[v]
				split.Shares = append(split.Shares, &bindingpb.Share{Version: v, BasisPoints: uint32(shares[v])})
			}
		}
		instances := running(versions...)
		got, _ := desired(here, instances, map[string]*bindingpb.Split{service: split})
		if len(got) != len(instances) {
			t.Fatalf("want %d bindings, one per instance, got %d", len(instances), len(got))
		}
		checkProportions(t, got, counts, shares, left)
		checkEvenness(t, got)
	})
}

// checkProportions compares every two versions that run: a/b = share a/share b.
func checkProportions(t *rapid.T, got []bus.Binding, counts, shares map[string]int, left int) {
	unnamed, someShare := 0, left > 0
	for v, n := range counts {
		if _, ok := shares[v]; !ok {
			unnamed += n
		}
	}
	someShare = someShare && unnamed > 0
	for v, share := range shares {
		someShare = someShare || share > 0 && counts[v] > 0
	}
	if len(shares) == 0 || !someShare {
		return
	}
	sums := versionSums(got)
	// want is the share times the number of unnamed instances, so that it is whole.
	want := func(v string) uint64 {
		if share, ok := shares[v]; ok {
			return uint64(share) * uint64(max(unnamed, 1))
		}
		return uint64(left) * uint64(counts[v])
	}
	for a := range sums {
		for b := range sums {
			if sums[a]*want(b) != sums[b]*want(a) {
				t.Fatalf("weights of %s and %s: want %d to %d, got %d to %d", a, b, want(a), want(b), sums[a], sums[b])
			}
		}
	}
}

func checkEvenness(t *rapid.T, got []bus.Binding) {
	least, most := map[string]uint32{}, map[string]uint32{}
	for _, b := range got {
		if _, ok := least[b.Version]; !ok {
			least[b.Version] = b.Weight
		}
		least[b.Version], most[b.Version] = min(least[b.Version], b.Weight), max(most[b.Version], b.Weight)
	}
	for v := range least {
		if most[v]-least[v] > 1 {
			t.Fatalf("instances of %s: want weights that differ by 1 at most, got %d to %d", v, least[v], most[v])
		}
	}
}

// route draws one receiver, as clients do.
func route(t *testing.T, bindings []bus.Binding, cohort int) string {
	t.Helper()
	q := driver.Query{From: here, Rand: rand.Uint64N}
	if cohort != bus.NoCohort {
		q.Header.Set(bus.HeaderCohort, fmt.Sprint(cohort))
	}
	at, miss := driver.Route(bindings, q)
	if miss != driver.Hit {
		t.Fatalf("route among %d bindings: want a receiver, got miss %d", len(bindings), miss)
	}
	return bindings[at].Version
}

func TestTenPercentOfDraws(t *testing.T) {
	bindings, _ := desired(here, running("v1*3", "v2*7"), splitOf("v2=10"))
	const draws = 20_000
	hits := 0
	for range draws {
		if route(t, bindings, bus.NoCohort) == "v2" {
			hits++
		}
	}
	// 5 standard deviations of a binomial distribution: sqrt(20000*0.1*0.9) = 42.4
	if hits < 2000-212 || hits > 2000+212 {
		t.Errorf("v2 with 10 %%: want 2000 ± 212 of %d draws, got %d", draws, hits)
	}
}

// cohorts returns the version of every cohort.
func cohorts(t *testing.T, bindings []bus.Binding) []string {
	t.Helper()
	all := make([]string, bus.Cohorts)
	for n := range all {
		all[n] = route(t, bindings, n)
	}
	return all
}

func TestTenPercentOfCohortsWhateverTheSalt(t *testing.T) {
	for _, salt := range []string{"a", "b", "c"} {
		split := splitOf("v2=10")
		split[service].Salt = salt
		bindings, _ := desired(here, running("v1*3", "v2*7"), split)
		got := 0
		for _, v := range cohorts(t, bindings) {
			if v == "v2" {
				got++
			}
		}
		if got < 1000-150 || got > 1000+150 {
			t.Errorf("cohorts of v2 with 10 %% and salt %q: want 1000 ± 150, got %d", salt, got)
		}
	}
}

func TestCohortsStayWhenInstancesComeAndGo(t *testing.T) {
	before, _ := desired(here, running("v1*3", "v2*2"), splitOf("v2=10"))
	want := cohorts(t, before)
	for _, now := range [][]string{{"v1*1", "v2*2"}, {"v1*9", "v2*2"}, {"v1*3", "v2*5"}, {"v1*11", "v2*7"}} {
		after, _ := desired(here, running(now...), splitOf("v2=10"))
		for n, v := range cohorts(t, after) {
			if v != want[n] {
				t.Fatalf("cohort %d with %v: want version %s as before, got %s", n, now, want[n], v)
			}
		}
	}
}

func TestGrowingASplitKeepsItsFirstUsers(t *testing.T) {
	small, _ := desired(here, running("v1*3", "v2"), splitOf("v2=10"))
	large, _ := desired(here, running("v1*3", "v2"), splitOf("v2=20"))
	before, after := cohorts(t, small), cohorts(t, large)
	moved := 0
	for n := range before {
		if before[n] == "v2" && after[n] != "v2" {
			t.Fatalf("cohort %d: it met v2 at 10 %% and no longer does at 20 %%", n)
		}
		if before[n] != after[n] {
			moved++
		}
	}
	if moved < 850 || moved > 1150 {
		t.Errorf("cohorts that move when v2 grows from 10 %% to 20 %%: want about 1000, got %d", moved)
	}
}

func TestAnotherSaltMeansOtherUsers(t *testing.T) {
	one, two := splitOf("v2=10"), splitOf("v2=10")
	two[service].Salt = "another"
	first, _ := desired(here, running("v1", "v2"), one)
	second, _ := desired(here, running("v1", "v2"), two)
	a, b := cohorts(t, first), cohorts(t, second)
	both := 0
	for n := range a {
		if a[n] == "v2" && b[n] == "v2" {
			both++
		}
	}
	if both > 200 { // 100 expected by chance
		t.Errorf("cohorts that meet v2 with either salt: want about 100 of 10,000, got %d", both)
	}
}

func TestBadSplitsAreRefused(t *testing.T) {
	for _, c := range []struct {
		service string
		shares  []string
		want    string // a part of the error; empty: none
	}{
		{"core.eta", []string{"v1=60", "v2=40"}, ""},
		{"core.eta", nil, ""},
		{"core.eta", []string{"v1=60", "v2=60"}, "add up to 120 %"},
		{"core.eta", []string{"v1=101"}, "at most 100 %"},
		{"core.eta", []string{"v1=10", "v1=20"}, "named twice"},
		{"core.eta", []string{"v 1=10"}, "no version"},
		{"core.eta", []string{"=10"}, "no version"},
		{"eta", []string{"v1=10"}, "no name of a service"},
	} {
		err := checkSplit(c.service, splitOf(c.shares...)[service].GetShares())
		if got := fmt.Sprint(err); (c.want == "") != (err == nil) || !strings.Contains(got, cmp.Or(c.want, "nil")) {
			t.Errorf("split of %q into %v: want an error with %q, got %v", c.service, c.shares, c.want, err)
		}
	}
}
