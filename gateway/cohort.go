package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"net/url"

	"github.com/hansom-platform/hansom/platform/auth"
)

const (
	cohorts  = 10_000
	noCohort = -1
)

// identities are what a request without a session may say of whose it is, the most
// telling first. The cohort is made of the first that is present, so that a user
// keeps it on every device.
var identities = []struct{ kind, header, parameter string }{
	{"customer", "X-Customer-Id", "customer"},
	{"driver", "X-Driver-Id", "driver"},
	{"device", "X-Device-Id", "device"},
	{"session", "X-Session-Id", ""},
}

// cohortOf returns the cohort of a request: that of its user, who is known by a session
// or nil, else that of whom it says it is, or noCohort. Testers get the cohort that
// they ask for.
func cohortOf(salt []byte, r *http.Request, user *auth.User) int {
	if user == nil {
		return claimedCohort(salt, r)
	}
	if user.Has(RoleTester) {
		if c := claimedCohort(salt, r); c != noCohort {
			return c
		}
	}
	return cohort(salt, user.Application, user.ID)
}

func claimedCohort(salt []byte, r *http.Request) int {
	var query url.Values
	for _, i := range identities {
		id := r.Header.Get(i.header)
		if id == "" && i.parameter != "" && r.URL.RawQuery != "" {
			if query == nil {
				query = r.URL.Query()
			}
			id = query.Get(i.parameter)
		}
		if id != "" {
			return cohort(salt, i.kind, id)
		}
	}
	return noCohort
}

// cohort is HMAC-SHA-256(salt, kind NUL id), its first eight bytes as a big-endian
// number, modulo 10,000. The salt keeps users from knowing or choosing theirs, and
// gives every environment other ones.
func cohort(salt []byte, kind, id string) int {
	mac := hmac.New(sha256.New, salt)
	mac.Write(append(append(append(make([]byte, 0, 128), kind...), 0), id...))
	var room [sha256.Size]byte
	return int(binary.BigEndian.Uint64(mac.Sum(room[:0])) % cohorts)
}
