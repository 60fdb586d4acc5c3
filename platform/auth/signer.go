package auth

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"time"

	"github.com/hansom-platform/hansom/fault"
)

type userClaims struct {
	standard
	Application string   `json:"app"`
	Session     string   `json:"sid"`
	Device      string   `json:"dev,omitempty"`
	Roles       []string `json:"roles,omitempty"`
	Actor       *actor   `json:"act,omitempty"`
}

// actor is who acts as the subject (RFC 8693 §4.1).
type actor struct {
	Subject string `json:"sub"`
}

type identityClaims struct {
	standard
	Service string   `json:"svc"`
	Grants  []string `json:"grants,omitempty"`
}

type statementClaims struct {
	standard
	Last   uint64 `json:"last"`
	Digest string `json:"digest"`
}

// statementLife is how long a statement may be believed.
const statementLife = time.Minute

// Signer signs tokens with one key of an environment. It is kernel.login's; the test
// kit has one too. It is safe for concurrent use.
type Signer struct {
	environment string
	key         ed25519.PrivateKey
	kid         string
}

// NewSigner returns a signer whose tokens name its key kid. It panics where one of the
// arguments is none: a mistake of the program.
func NewSigner(environment string, key ed25519.PrivateKey, kid string) *Signer {
	if !ValidIdentifier(environment) || !ValidIdentifier(kid) || len(key) != ed25519.PrivateKeySize {
		panic(fmt.Sprintf("auth.NewSigner: environment %q, key id %q, a key of %d bytes: want two identifiers and an Ed25519 key", environment, kid, len(key)))
	}
	return &Signer{environment, key, kid}
}

// User signs a user token.
func (s *Signer) User(u *User) (string, error) {
	claims := userClaims{
		standard:    s.standard(u.ID, u.Issued, u.Expires),
		Application: u.Application, Session: u.Session, Device: u.Device, Roles: u.Roles,
	}
	if u.Actor != "" {
		claims.Actor = &actor{u.Actor}
	}
	if err := checkUser(u); err != nil {
		return "", err
	}
	return sign(s.header(userToken), &claims, s.key)
}

func checkUser(u *User) error {
	switch {
	case !ValidIdentifier(u.ID) || !ValidIdentifier(u.Application) || !ValidIdentifier(u.Session):
		return badClaims("user %q of application %q, session %q: want identifiers", u.ID, u.Application, u.Session)
	case u.Actor != "" && !ValidIdentifier(u.Actor):
		return badClaims("user %s: the actor %q is no identifier", u.ID, u.Actor)
	case slices.ContainsFunc(u.Roles, func(r string) bool { return !ValidRole(r) }):
		return badClaims("user %s: one of the roles %q is none", u.ID, u.Roles)
	}
	return checkLife(u.ID, u.Issued, u.Expires, MaxUserLife)
}

// Identity signs an identity token.
func (s *Signer) Identity(i *Identity) (string, error) {
	if !ValidIdentifier(i.Service) || !ValidIdentifier(i.Instance) || !ValidIdentifier(i.Audience) {
		return "", badClaims("service %q, instance %q, audience %q: want identifiers", i.Service, i.Instance, i.Audience)
	}
	if err := checkLife(i.Instance, i.Issued, i.Expires, MaxIdentityLife); err != nil {
		return "", err
	}
	claims := identityClaims{standard: s.standard(i.Instance, i.Issued, i.Expires), Service: i.Service, Grants: i.Grants}
	claims.Audience = i.Audience
	return sign(s.header(identityToken), &claims, s.key)
}

// Statement signs what an instance of kernel.login says of itself, to be believed for
// a minute.
func (s *Signer) Statement(st Statement) (string, error) {
	if !ValidIdentifier(st.Instance) || st.At.IsZero() {
		return "", badClaims("instance %q at %s: want an identifier and a time", st.Instance, st.At)
	}
	claims := statementClaims{standard: s.standard(st.Instance, st.At, st.At.Add(statementLife)), Last: st.LastRevocation, Digest: st.Digest}
	return sign(s.header(statementToken), &claims, s.key)
}

func (s *Signer) header(k kind) header { return header{Type: k, Key: s.kid} }

func (s *Signer) standard(subject string, issued, expires time.Time) standard {
	return standard{Issuer: s.environment, Subject: subject, Issued: date{issued}, Expires: date{expires}}
}

func checkLife(who string, issued, expires time.Time, most time.Duration) error {
	if life := expires.Sub(issued); issued.IsZero() || life <= 0 || life > most {
		return badClaims("the token of %s would live from %s to %s: want at most %s", who, issued, expires, most)
	}
	return nil
}

func badClaims(message string, args ...any) error {
	return fault.New(fault.BadRequest, "platform.auth.claims", message, args...)
}
