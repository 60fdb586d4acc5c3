package driver

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// vectors is proto/vectors/route.json, which implementations in other languages
// read too.
type vectors struct {
	Cases []struct {
		Name     string
		Bindings []Binding
		Header   map[string]string
		From     Zone
		Crossed  bool
		Tried    []string
		Want     map[string]uint64
		Miss     string
	}
	Cohorts []struct {
		Name          string
		Bindings      []Binding
		Want          map[string]string
		FirstThousand map[string]int `json:"first_thousand"`
	}
	Scores []struct {
		Cohort                 int
		Service, Salt, Version string
		Weight                 uint64
		Score                  float64
	}
}

func readVectors(tb testing.TB) (v vectors) {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "proto", "vectors", "route.json"))
	if err != nil {
		tb.Fatal(err)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		tb.Fatal(err)
	}
	if len(v.Cases) == 0 || len(v.Cohorts) == 0 || len(v.Scores) == 0 {
		tb.Fatalf("%d cases, %d cohorts, %d scores; want some of each", len(v.Cases), len(v.Cohorts), len(v.Scores))
	}
	return v
}

// outcomes routes once for every possible draw and counts who was chosen.
func outcomes(tb rapid.TB, bindings []Binding, q Query) (map[string]uint64, Miss) {
	tb.Helper()
	counts := map[string]uint64{}
	draws := uint64(1)
	for draw := uint64(0); draw < draws; draw++ {
		q.Rand = func(n uint64) uint64 {
			draws = n
			return draw
		}
		i, miss := Route(bindings, q)
		if miss != Hit {
			if i != -1 {
				tb.Errorf("a miss came with index %d; want -1", i)
			}
			return nil, miss
		}
		counts[bindings[i].Instance]++
	}
	return counts, Hit
}

func TestRouteVectors(t *testing.T) {
	for _, c := range readVectors(t).Cases {
		t.Run(c.Name, func(t *testing.T) {
			q := Query{Header: headerOf(c.Header), From: c.From, Crossed: c.Crossed, Tried: c.Tried}
			got, miss := outcomes(t, c.Bindings, q)
			if miss != Hit {
				reason := missReasons[miss]
				if word := reason[strings.LastIndexByte(reason, '.')+1:]; word != c.Miss {
					t.Fatalf("miss %q; want miss %q, hits %v", word, c.Miss, c.Want)
				}
				return
			}
			if len(c.Want) == 1 { // no draw is made for a single candidate
				for instance := range c.Want {
					c.Want[instance] = 1
				}
			}
			if diff := cmp.Diff(c.Want, got); diff != "" {
				t.Errorf("draws by instance (-want +got):\n%s", diff)
			}
		})
	}
}

func headerOf(fields map[string]string) Header {
	var h Header
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		h.Set(k, fields[k])
	}
	return h
}

// versionOf returns the version that a cohort meets.
func versionOf(tb rapid.TB, bindings []Binding, cohort int) string {
	tb.Helper()
	q := Query{
		Header: Header{{HeaderCohort, strconv.Itoa(cohort)}},
		From:   Zone{bindings[0].Region, bindings[0].Zone},
		Rand:   func(uint64) uint64 { return 0 },
	}
	i, miss := Route(bindings, q)
	if miss != Hit {
		tb.Fatalf("cohort %d: miss %s", cohort, missReasons[miss])
	}
	return bindings[i].Version
}

func TestCohortVectors(t *testing.T) {
	for _, c := range readVectors(t).Cohorts {
		t.Run(c.Name, func(t *testing.T) {
			got := map[string]string{}
			for cohort := range c.Want {
				n, _ := strconv.Atoi(cohort)
				got[cohort] = versionOf(t, c.Bindings, n)
			}
			if diff := cmp.Diff(c.Want, got); diff != "" {
				t.Errorf("version by cohort (-want +got):\n%s", diff)
			}
			counts := map[string]int{}
			for _, b := range c.Bindings {
				counts[b.Version] = 0
			}
			for cohort := range 1000 {
				counts[versionOf(t, c.Bindings, cohort)]++
			}
			if diff := cmp.Diff(c.FirstThousand, counts); diff != "" {
				t.Errorf("cohorts 0 to 999 by version (-want +got):\n%s", diff)
			}
		})
	}
}

func TestScoreVectors(t *testing.T) {
	for _, s := range readVectors(t).Scores {
		got := Score(s.Cohort, s.Service, s.Salt, s.Version, s.Weight)
		if math.Abs(got-s.Score) > 1e-12*math.Abs(s.Score) {
			t.Errorf("Score(%d, %q, %q, %q, %d) = %v; want %v", s.Cohort, s.Service, s.Salt, s.Version, s.Weight, got, s.Score)
		}
	}
}

func TestRouteDoesNotAllocate(t *testing.T) {
	var bindings []Binding
	for i := range 16 {
		bindings = append(bindings, Binding{Service: "core.eta", Instance: fmt.Sprint(i), Version: fmt.Sprint(i % 8), Zone: "a", Weight: 10})
	}
	q := Query{Header: Header{{HeaderCohort, "4711"}}, From: Zone{Zone: "a"}, Rand: func(uint64) uint64 { return 0 }}
	if n := testing.AllocsPerRun(100, func() { Route(bindings, q) }); n != 0 {
		t.Errorf("routing among 8 versions allocates %v times; want 0", n)
	}
}
