package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"net/url"
)

const (
	cohorts  = 10_000
	noCohort = -1
)

// identities say who a request is of, the most telling first. The cohort is made
// of the first that is present, so that a user keeps it on every device.
var identities = []struct{ kind, header, parameter string }{
	{"customer", "X-Customer-Id", "customer"},
	{"driver", "X-Driver-Id", "driver"},
	{"device", "X-Device-Id", "device"},
	{"session", "X-Session-Id", "session_id"},
}

// cohortOf returns the cohort of a request, or noCohort where it says nothing of
// whose it is.
func cohortOf(salt []byte, r *http.Request) int {
	var query url.Values
	for _, i := range identities {
		id := r.Header.Get(i.header)
		if id == "" && r.URL.RawQuery != "" {
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
