package gateway

import (
	"math"
	"net/http"
	"strconv"
	"testing"
)

func TestCohortOfTheMostTellingIdentity(t *testing.T) {
	header := []string{"X-Session-Id", "s", "X-Device-Id", "e", "X-Driver-Id", "d", "X-Customer-Id", "c"}
	kinds := []string{"session", "device", "driver", "customer"}
	for i, kind := range kinds {
		r := request(http.MethodGet, "/v1/customer/see", "", header[:2*i+2]...)
		id := header[2*i+1]
		if got, want := cohortOf(salt, r, nil), cohort(salt, kind, id); got != want {
			t.Errorf("headers %v: cohort %d, want that of %s %s, %d", header[:2*i+2], got, kind, id, want)
		}
	}
}

func TestCohortOfQueryAndHeaderIsTheSame(t *testing.T) {
	for _, i := range identities[:3] {
		byHeader := cohortOf(salt, request(http.MethodGet, "/", "", i.header, "a b"), nil)
		byQuery := cohortOf(salt, request(http.MethodGet, "/?x=1&"+i.parameter+"=a%20b", ""), nil)
		if byHeader != byQuery || byHeader == noCohort {
			t.Errorf("%s: cohort %d by header, %d by query: want the same", i.kind, byHeader, byQuery)
		}
	}
}

func TestNobodyHasNoCohort(t *testing.T) {
	for _, target := range []string{"/", "/?customer=", "/?city=LON"} {
		if got := cohortOf(salt, request(http.MethodGet, target, ""), nil); got != noCohort {
			t.Errorf("%s: cohort %d, want none", target, got)
		}
	}
}

var documentedCohorts = map[string]int{"1": 1953, "42": 277, "café": 7785}

// The values are those of another implementation:
//
//	printf 'customer\0%s' 42 | openssl dgst -sha256 -hmac 0123456789abcdef
//
// whose first 16 digits are a number, modulo 10,000.
func TestCohortIsTheDocumentedFunction(t *testing.T) {
	for id, want := range documentedCohorts {
		if got := cohort(salt, "customer", id); got != want {
			t.Errorf("cohort of customer %s: %d, want %d", id, got, want)
		}
	}
}

func TestCohortsDependOnTheSaltAndTheKind(t *testing.T) {
	same := 0
	for i := range 1000 {
		id := strconv.Itoa(i)
		if cohort(salt, "customer", id) == cohort([]byte("another salt, as long"), "customer", id) {
			same++
		}
		if cohort(salt, "customer", id) == cohort(salt, "driver", id) {
			same++
		}
	}
	if same > 5 {
		t.Errorf("%d of 2,000 pairs have the same cohort, want next to none", same)
	}
}

// Chi-squared over 100 bins of 20,000 sequential ids: 99 degrees of freedom, whose
// 99.99 % quantile is 160.
func TestCohortsAreUniform(t *testing.T) {
	const ids, bins = 20_000, 100
	var count [bins]float64
	for i := range ids {
		count[cohort(salt, "customer", strconv.Itoa(i))*bins/cohorts]++
	}
	chi := 0.0
	for _, n := range count {
		chi += math.Pow(n-ids/bins, 2) / (ids / bins)
	}
	if chi > 160 {
		t.Errorf("chi-squared of %d ids in %d bins: %.1f, want less than 160", ids, bins, chi)
	}
}
