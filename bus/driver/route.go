package driver

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
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

// The misses. Hit is the absence of one.
const (
	Hit          Miss = iota
	MissUnknown       // the service has no binding at all
	MissGone          // every binding that could take it was tried and nobody was there
	MissNoMatch       // no binding's match headers equal the message's
	MissNoWeight      // every binding that matches has weight 0
	MissTooFar        // the most specific bindings are out of this message's reach
)

// Route applies the routing rule of h2 (DESIGN §3) to the bindings of one
// service and returns the index of the chosen one, or -1 and the reason. It is
// pure but for q.Rand, and does not allocate for up to eight versions.
func Route(bindings []Binding, q Query) (int, Miss) {
	specificity, miss := mostSpecific(bindings, q)
	if miss != Hit {
		return -1, miss
	}
	near := nearest(bindings, q, specificity)
	if near == outOfReach {
		return -1, MissTooFar
	}
	keep := func(b *Binding) bool {
		return eligible(b, q) && len(b.Match) == specificity && distance(b, q) == near
	}
	version, pinned := chooseVersion(bindings, CohortOf(q.Header), keep)
	return chooseInstance(bindings, q.Rand, func(b *Binding) bool {
		return keep(b) && (!pinned || b.Version == version)
	}), Hit
}

func tried(b *Binding, q Query) bool {
	for _, t := range q.Tried {
		if t == b.Instance {
			return true
		}
	}
	return false
}

func matches(b *Binding, h Header) bool {
	for k, v := range b.Match {
		if h.Get(k) != v {
			return false
		}
	}
	return true
}

func eligible(b *Binding, q Query) bool {
	return b.Weight > 0 && !tried(b, q) && matches(b, q.Header)
}

// mostSpecific does steps 1 to 3: the number of match headers of the most
// specific eligible bindings.
func mostSpecific(bindings []Binding, q Query) (int, Miss) {
	best, miss := -1, MissUnknown
	for i := range bindings {
		b := &bindings[i]
		switch {
		case tried(b, q):
			miss = max(miss, MissGone)
		case !matches(b, q.Header):
			miss = max(miss, MissNoMatch)
		case b.Weight == 0:
			miss = max(miss, MissNoWeight)
		default:
			best = max(best, len(b.Match))
		}
	}
	if best < 0 {
		return -1, miss
	}
	return best, Hit
}

const (
	sameZone = iota
	sameRegion
	outOfReach
)

func distance(b *Binding, q Query) int {
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

func nearest(bindings []Binding, q Query, specificity int) int {
	near := outOfReach
	for i := range bindings {
		if b := &bindings[i]; len(b.Match) == specificity && eligible(b, q) {
			near = min(near, distance(b, q))
		}
	}
	return near
}

// chooseVersion does step 5 for a message with a cohort: the version with the
// highest weighted rendezvous score (Schindelhauer and Schomaker, "Weighted
// distributed hash tables", SPAA 2005). Adding or removing a version moves only
// the cohorts that it gains or loses.
func chooseVersion(bindings []Binding, cohort int, keep func(*Binding) bool) (version string, pinned bool) {
	if cohort == NoCohort {
		return "", false
	}
	type share struct {
		version string
		weight  uint64
		salt    string
		service string
	}
	var room [8]share
	shares := room[:0]
next:
	for i := range bindings {
		b := &bindings[i]
		if !keep(b) {
			continue
		}
		for j := range shares {
			if shares[j].version == b.Version {
				shares[j].weight += uint64(b.Weight)
				continue next
			}
		}
		shares = append(shares, share{b.Version, uint64(b.Weight), b.Salt, b.Service})
	}
	if len(shares) == 1 {
		return shares[0].version, true
	}
	best := math.Inf(-1)
	for _, s := range shares {
		score := Score(cohort, s.service, s.salt, s.version, s.weight)
		if score > best || (score == best && s.version > version) {
			best, version = score, s.version
		}
	}
	return version, true
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

func chooseInstance(bindings []Binding, rand func(uint64) uint64, keep func(*Binding) bool) int {
	var total uint64
	last := -1
	for i := range bindings {
		if keep(&bindings[i]) {
			total += uint64(bindings[i].Weight)
			last = i
		}
	}
	if uint64(bindings[last].Weight) == total {
		return last
	}
	draw := rand(total)
	for i := range bindings {
		if b := &bindings[i]; keep(b) {
			if draw < uint64(b.Weight) {
				return i
			}
			draw -= uint64(b.Weight)
		}
	}
	return last
}

// CohortOf returns the cohort that h carries, or NoCohort where it carries none
// or one that is out of range.
func CohortOf(h Header) int {
	s := h.Get(HeaderCohort)
	if s == "" {
		return NoCohort
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n >= Cohorts {
		return NoCohort
	}
	return n
}
