package driver

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"strconv"
)

// Cohorts is the number of cohorts: a cohort is from 0 to Cohorts-1.
const Cohorts = 10_000

// NoCohort is the cohort of a message that carries none.
const NoCohort = -1

// A Query is what the routing rule needs to know beside the bindings.
type Query struct {
	Header  Header
	From    Zone                  // where the message is routed
	Crossed bool                  // it came here from another zone
	Tried   []string              // instances that were tried and are gone
	Rand    func(n uint64) uint64 // uniform in [0, n); math/rand/v2.Uint64N outside tests
}

// Miss says why the routing rule left nothing.
type Miss uint8

// The misses. Hit is the absence of one. Where several are true, the last tells most.
const (
	Hit          Miss = iota
	MissUnknown       // the service has no binding at all
	MissNoMatch       // no binding's match headers equal the message's
	MissNoWeight      // every binding that matches has weight 0
	MissGone          // every binding that could take it was tried and nobody was there
	MissTooFar        // the most specific bindings are out of this message's reach
)

// Route applies the routing rule of h2 (DESIGN §3) to the bindings of one
// service and returns the index of the chosen one, or -1 and the reason. It is
// pure but for q.Rand, and does not allocate for up to 64 candidates of up to
// eight versions.
func Route(bindings []Binding, q Query) (int, Miss) {
	var room [64]int32
	candidates, miss := fitting(bindings, &q, room[:0])
	if miss != Hit {
		return -1, miss
	}
	if len(candidates) == 1 {
		return int(candidates[0]), Hit
	}
	if cohort := CohortOf(q.Header); cohort != NoCohort {
		candidates = keepVersion(bindings, candidates, chooseVersion(bindings, candidates, cohort))
	}
	return chooseInstance(bindings, candidates, q.Rand), Hit
}

// fitting does steps 1 to 4: the indices of the nearest of the most specific
// bindings, appended to into, or the reason why there are none.
func fitting(bindings []Binding, q *Query, into []int32) ([]int32, Miss) {
	best, miss := -1, MissUnknown
	for i := range bindings {
		b := &bindings[i]
		if m := unfit(b, q); m != Hit {
			miss = max(miss, m)
			continue
		}
		rank := len(b.Match)*reaches + reach(b, q)
		if rank > best {
			best, into = rank, into[:0]
		}
		if rank == best {
			into = append(into, int32(i))
		}
	}
	switch {
	case best < 0:
		return nil, miss
	case best%reaches == outOfReach:
		return nil, MissTooFar
	}
	return into, Hit
}

// unfit says why b cannot take the message, whatever the other bindings.
func unfit(b *Binding, q *Query) Miss {
	switch {
	case len(q.Tried) > 0 && slices.Contains(q.Tried, b.Instance):
		return MissGone
	case len(b.Match) > 0 && !matches(b, q.Header):
		return MissNoMatch
	case b.Weight == 0:
		return MissNoWeight
	}
	return Hit
}

func matches(b *Binding, h Header) bool {
	for k, v := range b.Match {
		if h.Get(k) != v {
			return false
		}
	}
	return true
}

// How near a binding is, more being nearer.
const (
	outOfReach = iota
	sameRegion
	sameZone
	reaches
)

func reach(b *Binding, q *Query) int {
	switch {
	case b.Region != q.From.Region:
		return outOfReach
	case b.Zone == q.From.Zone:
		return sameZone
	case q.Crossed:
		return outOfReach
	}
	return sameRegion
}

// chooseVersion does step 5 for a message with a cohort: the version with the
// highest weighted rendezvous score (Schindelhauer and Schomaker, "Weighted
// distributed hash tables", SPAA 2005). Adding or removing a version moves only
// the cohorts that it gains or loses.
func chooseVersion(bindings []Binding, candidates []int32, cohort int) string {
	type share struct {
		of     *Binding
		weight uint64
	}
	var room [8]share
	shares := room[:0]
next:
	for _, i := range candidates {
		b := &bindings[i]
		for j := range shares {
			if shares[j].of.Version == b.Version {
				shares[j].weight += uint64(b.Weight)
				continue next
			}
		}
		shares = append(shares, share{b, uint64(b.Weight)})
	}
	chosen := shares[0].of.Version
	if len(shares) == 1 {
		return chosen
	}
	best := math.Inf(-1)
	for _, s := range shares {
		score := Score(cohort, s.of.Service, s.of.Salt, s.of.Version, s.weight)
		if score > best || (score == best && s.of.Version > chosen) {
			best, chosen = score, s.of.Version
		}
	}
	return chosen
}

// keepVersion filters candidates in place.
func keepVersion(bindings []Binding, candidates []int32, version string) []int32 {
	kept := candidates[:0]
	for _, i := range candidates {
		if bindings[i].Version == version {
			kept = append(kept, i)
		}
	}
	return kept
}

// Score is the weighted rendezvous score of one version for one cohort:
// -weight / ln(u), where u in (0,1) is made of the first 53 bits of
// SHA-256("cohort NUL service NUL salt NUL version"), cohort in decimal, as
// (bits + 0.5) / 2^53. Other languages must do the same.
func Score(cohort int, service, salt, version string, weight uint64) float64 {
	var room [128]byte
	key := strconv.AppendInt(room[:0], int64(cohort), 10)
	for _, s := range [...]string{service, salt, version} {
		key = append(append(key, 0), s...)
	}
	sum := sha256.Sum256(key)
	bits := binary.BigEndian.Uint64(sum[:8]) >> 11
	u := (float64(bits) + 0.5) / (1 << 53)
	return -float64(weight) / math.Log(u)
}

// chooseInstance draws one of the candidates by weight.
func chooseInstance(bindings []Binding, candidates []int32, rand func(uint64) uint64) int {
	last := int(candidates[len(candidates)-1])
	if len(candidates) == 1 {
		return last
	}
	var total uint64
	for _, i := range candidates {
		total += uint64(bindings[i].Weight)
	}
	draw := rand(total)
	for _, i := range candidates {
		weight := uint64(bindings[i].Weight)
		if draw < weight {
			return int(i)
		}
		draw -= weight
	}
	return last
}

// CohortOf returns the cohort that h carries, or NoCohort where it carries none,
// one that is out of range, or text of more than 19 bytes, which is as much as any
// implementation has to read as a number.
func CohortOf(h Header) int {
	s := h.Get(HeaderCohort)
	if s == "" || len(s) > 19 {
		return NoCohort
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n >= Cohorts {
		return NoCohort
	}
	return n
}
