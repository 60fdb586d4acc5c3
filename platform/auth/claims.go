package auth

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"hash/maphash"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Admin is the role that implies all others.
const Admin = "ADMIN"

// Limits of how long tokens may live.
const (
	MaxUserLife     = 8 * time.Hour
	MaxIdentityLife = time.Hour
)

// User is what a user token says. It is shared by all who verify the token, and must
// not be changed.
type User struct {
	ID          string
	Application string // "admin", "customer", "driver"
	Session     string // public id; ending the session revokes the token
	Device      string // type of device
	Roles       []string
	Actor       string // id of the administrator who acts as the user, or ""
	Issued      time.Time
	Expires     time.Time
}

// Has reports whether one of the user's roles is role or implies it.
func (u *User) Has(role string) bool {
	return slices.ContainsFunc(u.Roles, func(have string) bool { return Implies(have, role) })
}

// Identity is what an identity token says. It is shared by all who verify the token,
// and must not be changed.
type Identity struct {
	Service  string
	Instance string
	Audience string   // the service that may be called with it
	Grants   []string // endpoints of Audience that Service was granted; "*": all
	Issued   time.Time
	Expires  time.Time
}

// Granted reports whether the service was granted the endpoint of the audience.
func (i *Identity) Granted(endpoint string) bool {
	return slices.ContainsFunc(i.Grants, func(g string) bool { return g == endpoint || g == "*" })
}

// Statement is what an instance of kernel.login says of itself.
type Statement struct {
	Instance       string
	At             time.Time
	LastRevocation uint64 // number of the newest
	Digest         string // DigestOf what is published with it
}

// DigestOf is what a statement says of a key set and a list of revocations, encoded, so that nobody
// else's are taken with it (SHA-256).
func DigestOf(keys string, revocations []byte) string {
	sum := sha256.Sum256(slices.Concat([]byte(keys), []byte{0}, revocations))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Revocation says that tokens are no longer good: those that match all fields set
// here and were issued before Before (zero: whenever). One that names neither session,
// user, caller nor audience matches none.
type Revocation struct {
	Number   uint64 // they are numbered from 1; 0: outside the numbering
	Session  string // public id
	User     string // id
	Caller   string // service whose identity tokens
	Audience string // for calls of this service
	Before   time.Time
	Expires  time.Time // from then on no such token is alive; zero: never
}

func (r *Revocation) matchesUser(u *User) bool {
	return r.Caller == "" && r.Audience == "" &&
		matches(r.Session, u.Session) && matches(r.User, u.ID) && r.covers(u.Issued)
}

func (r *Revocation) matchesIdentity(i *Identity) bool {
	return r.Session == "" && r.User == "" &&
		matches(r.Caller, i.Service) && matches(r.Audience, i.Audience) && r.covers(i.Issued)
}

func (r *Revocation) covers(issued time.Time) bool {
	return r.Before.IsZero() || issued.Before(r.Before)
}

func matches(want, have string) bool { return want == "" || want == have }

// Implies reports whether who has the role have also has the role want: FOO implies
// FOO.BAR, and Admin implies all.
func Implies(have, want string) bool {
	if have == "" || want == "" {
		return false
	}
	if have == want || have == Admin {
		return true
	}
	return len(want) > len(have) && want[len(have)] == '.' && strings.HasPrefix(want, have)
}

const maxRole = 64

var role = regexp.MustCompile(`^[A-Z][A-Z0-9_]*(\.[A-Z][A-Z0-9_]*)*$`)

// ValidRole reports whether s can be a role: upper-case words with dots between them,
// 64 bytes at most.
func ValidRole(s string) bool { return len(s) <= maxRole && role.MatchString(s) }

const maxIdentifier = 128

var identifier = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:@+-]*$`)

// ValidIdentifier reports whether s can be the id of a user, session or instance, or
// the name of a service or environment: letters, digits and . _ : @ + - after the first
// of either, 128 bytes at most. So none can break the header or log that carries it.
func ValidIdentifier(s string) bool { return len(s) <= maxIdentifier && identifier.MatchString(s) }

// SessionOf returns the public id of the session that a user token names, not verified,
// or "". It is for passing the id along beside the token.
func SessionOf(token string) string {
	place := &lastSessions[maphash.String(sessionSeed, token)%uint64(len(lastSessions))]
	if last := place.Load(); last != nil && last.token == token {
		return last.session
	}
	session := readSession(token)
	if session != "" {
		place.Store(&tokenSession{strings.Clone(token), session})
	}
	return session
}

// tokenSession is a token that was read, and what it says.
type tokenSession struct{ token, session string }

// lastSessions are those read last, each at its token's hash: a gateway passes the same
// tokens along again and again.
var (
	lastSessions [1024]atomic.Pointer[tokenSession]
	sessionSeed  = maphash.MakeSeed()
)

func readSession(token string) string {
	_, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	if len(payload) > MaxToken {
		return ""
	}
	text, err := strict.DecodeString(payload)
	if err != nil {
		return ""
	}
	var claims struct {
		Session string `json:"sid"`
	}
	if json.Unmarshal(text, &claims) != nil || !ValidIdentifier(claims.Session) {
		return ""
	}
	return claims.Session
}
