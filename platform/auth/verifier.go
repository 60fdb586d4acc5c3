package auth

import (
	"crypto/ed25519"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hansom-platform/hansom/fault"
)

// Verifier verifies the tokens of one environment, offline: with the root's public key,
// the last key set and the revocations that it was told. It is safe for concurrent
// use.
type Verifier struct {
	environment string
	root        ed25519.PublicKey

	state atomic.Pointer[state]
	mu    sync.Mutex // held to replace state

	revoked    *revocations
	users      cache[User]
	identities cache[Identity]
}

// state is what tokens are judged by. It is replaced and never changed.
type state struct {
	number uint64 // grows with every change, and after every revocation
	signed string // the key set as it came
	issued time.Time
	jwks   []byte
	keys   map[string]ed25519.PublicKey // nil: none came yet
}

// NewVerifier returns a verifier that knows no keys yet. It refuses every token as
// Unavailable until SetKeys.
func NewVerifier(root ed25519.PublicKey, environment string) *Verifier {
	v := &Verifier{environment: environment, root: root, revoked: newRevocations()}
	v.state.Store(&state{number: 1})
	v.users.init()
	v.identities.init()
	return v
}

// Environment returns the environment whose tokens are accepted.
func (v *Verifier) Environment() string { return v.environment }

// change replaces the state by a changed copy.
func (v *Verifier) change(f func(*state)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	next := *v.state.Load()
	next.number++
	f(&next)
	v.state.Store(&next)
}

// SetKeys takes a signed key set. One that is older than that which is in use is
// ignored. Tokens of keys that it does not have are refused from then on.
func (v *Verifier) SetKeys(signed string) error {
	set, err := v.readKeys(signed)
	if err != nil {
		return err
	}
	v.adopt(set)
	return nil
}

// keySet is a key set that was read.
type keySet struct {
	signed string
	issued time.Time
	jwks   []byte
	keys   map[string]ed25519.PublicKey
}

// readKeys reads a key set, or returns the one in force where it is that.
func (v *Verifier) readKeys(signed string) (keySet, error) {
	if s := v.state.Load(); s.signed == signed && s.keys != nil {
		return keySet{s.signed, s.issued, s.jwks, s.keys}, nil
	}
	var claims keySetClaims
	if err := v.readRooted(signed, keySetToken, &claims); err != nil {
		return keySet{}, err
	}
	if claims.Issued.After(time.Now().Add(leeway)) { // it would keep out all that follow until then
		return keySet{}, refuse(ReasonMalformed, "the key set is of %s, which is to come: compare the clocks", claims.Issued.UTC().Format(time.RFC3339))
	}
	keys := make(map[string]ed25519.PublicKey, len(claims.Keys))
	for _, k := range claims.Keys {
		key, ok := k.key()
		if !ok || k.ID == "" {
			return keySet{}, refuse(ReasonMalformed, "the key %.40q in the key set is no Ed25519 key", k.ID)
		}
		keys[k.ID] = key
	}
	jwks, err := json.Marshal(struct {
		Keys []jwk `json:"keys"`
	}{claims.Keys})
	if err != nil {
		return keySet{}, refuse(ReasonMalformed, "the key set: %v", err)
	}
	return keySet{signed, claims.Issued.Time, jwks, keys}, nil
}

// adopt has tokens verified with a key set, unless a later one is in force.
func (v *Verifier) adopt(set keySet) {
	if v.state.Load().signed == set.signed {
		return
	}
	v.change(func(s *state) {
		if s.keys == nil || !set.issued.Before(s.issued) {
			s.signed, s.issued, s.jwks, s.keys = set.signed, set.issued, set.jwks, set.keys
		}
	})
}

// HasKeys reports whether a key set has come.
func (v *Verifier) HasKeys() bool { return v.state.Load().keys != nil }

// Keys returns the signed key set that is in use, or "".
func (v *Verifier) Keys() string { return v.state.Load().signed }

// JWKS returns the keys in use as a JSON Web Key Set (RFC 7517 §5).
func (v *Verifier) JWKS() []byte {
	if s := v.state.Load(); s.jwks != nil {
		return s.jwks
	}
	return []byte(`{"keys":[]}`)
}

// User verifies a user token.
func (v *Verifier) User(token string) (*User, error) {
	s := v.state.Load()
	if e := v.users.get(token); e != nil {
		return checkEntry(&v.users, e, s, v.revoked.user)
	}
	var claims userClaims
	kid, err := v.readSigned(s, token, userToken, &claims)
	if err != nil {
		return nil, err
	}
	u := &User{
		ID: claims.Subject, Application: claims.Application, Session: claims.Session, Device: claims.Device,
		Roles: claims.Roles, Issued: claims.Issued.Time, Expires: claims.Expires.Time,
	}
	if claims.Actor != nil {
		u.Actor = claims.Actor.Subject
	}
	if checkUser(u) != nil || claims.Actor != nil && u.Actor == "" {
		return nil, refuse(ReasonMalformed, "a claim of the user token is missing or out of its range")
	}
	if v.revoked.user(u) {
		return nil, refuse(ReasonRevoked, "the session %s of user %s was ended", u.Session, u.ID)
	}
	v.users.put(&entry[User]{token: token, value: u, kid: kid, key: s.keys[kid], expires: u.Expires}, s)
	return u, nil
}

// Identity verifies an identity token for calls of the audience.
func (v *Verifier) Identity(token, audience string) (*Identity, error) {
	s := v.state.Load()
	i, err := v.identity(s, token)
	if err != nil {
		return nil, err
	}
	if i.Audience != audience {
		return nil, refuse(ReasonAudience, "the identity token of %s is for calls of %s, not of %s", i.Instance, i.Audience, audience)
	}
	return i, nil
}

func (v *Verifier) identity(s *state, token string) (*Identity, error) {
	if e := v.identities.get(token); e != nil {
		return checkEntry(&v.identities, e, s, v.revoked.identity)
	}
	var claims identityClaims
	kid, err := v.readSigned(s, token, identityToken, &claims)
	if err != nil {
		return nil, err
	}
	i := &Identity{
		Service: claims.Service, Instance: claims.Subject, Audience: claims.Audience, Grants: claims.Grants,
		Issued: claims.Issued.Time, Expires: claims.Expires.Time,
	}
	if !ValidIdentifier(i.Service) || !ValidIdentifier(i.Instance) || !ValidIdentifier(i.Audience) ||
		checkLife(i.Instance, i.Issued, i.Expires, MaxIdentityLife) != nil {
		return nil, refuse(ReasonMalformed, "a claim of the identity token is missing or out of its range")
	}
	if v.revoked.identity(i) {
		return nil, refuse(ReasonRevoked, "the identity tokens of %s for %s from before are revoked", i.Service, i.Audience)
	}
	v.identities.put(&entry[Identity]{token: token, value: i, kid: kid, key: s.keys[kid], expires: i.Expires}, s)
	return i, nil
}

// Assertion verifies an assertion for the audience and returns which service and
// instance of it made it. Whoever accepts assertions once only must remember them.
func (v *Verifier) Assertion(text, audience string) (service, instance string, err error) {
	var claims assertionClaims
	var certified string
	failed := read(text, assertionToken, func(h header) (key ed25519.PublicKey, err *fault.Error) {
		certified, key, err = v.certificate(h.Certificate)
		return key, err
	}, &claims)
	if failed == nil {
		failed = checkTimes(&claims.standard)
	}
	switch {
	case failed != nil:
		return "", "", failed
	case claims.Issuer != certified || claims.Subject != certified:
		return "", "", refuse(ReasonMalformed, "the assertion is about %.60q, its certificate about %s", claims.Subject, certified)
	case !ValidIdentifier(claims.Instance) || claims.ID == "" || claims.Expires.Sub(claims.Issued.Time) > assertionLife:
		return "", "", refuse(ReasonMalformed, "a claim of the assertion is missing or out of its range")
	case audience == "" || claims.Audience != audience:
		return "", "", refuse(ReasonAudience, "the assertion of %s is for %.60q, not for %s", claims.Instance, claims.Audience, audience)
	}
	return certified, claims.Instance, nil
}

// Announced verifies what an instance of kernel.login publishes: its key set, its
// statement, which must be signed by a key of that set, and the encoded revocations. The key set
// is adopted when all of it holds, so that an old one cannot be brought back alone.
func (v *Verifier) Announced(keys, statement string, revocations []byte) (Statement, error) {
	set, err := v.readKeys(keys)
	if err != nil {
		return Statement{}, err
	}
	candidate := *v.state.Load()
	candidate.keys = set.keys
	said, err := v.statement(&candidate, statement)
	if err != nil {
		return Statement{}, err
	}
	if said.Digest != DigestOf(keys, revocations) {
		return Statement{}, refuse(ReasonMalformed, "the statement of %s was made for other keys or revocations", said.Instance)
	}
	v.adopt(set)
	return said, nil
}

func (v *Verifier) statement(s *state, text string) (Statement, error) {
	var claims statementClaims
	if _, err := v.readSigned(s, text, statementToken, &claims); err != nil {
		return Statement{}, err
	}
	if !ValidIdentifier(claims.Subject) {
		return Statement{}, refuse(ReasonMalformed, "the statement names no instance")
	}
	return Statement{Instance: claims.Subject, At: claims.Issued.Time, LastRevocation: claims.Last, Digest: claims.Digest}, nil
}

// certificate verifies a certificate and returns whose it is.
func (v *Verifier) certificate(text string) (string, ed25519.PublicKey, *fault.Error) {
	var claims certificateClaims
	if err := v.readRooted(text, certificate, &claims); err != nil {
		return "", nil, err
	}
	if err := checkTimes(&claims.standard); err != nil {
		return "", nil, err
	}
	key, ok := claims.Confirmation.Key.key()
	if !ok || !ValidIdentifier(claims.Subject) {
		return "", nil, refuse(ReasonMalformed, "a claim of the certificate is missing")
	}
	return claims.Subject, key, nil
}

// readSigned reads a token of one of the keys in s.
func (v *Verifier) readSigned(s *state, text string, k kind, claims claimed) (kid string, err error) {
	if s.keys == nil {
		return "", errNoKeys
	}
	failed := read(text, k, func(h header) (ed25519.PublicKey, *fault.Error) {
		kid = h.Key
		key, ok := s.keys[kid]
		if !ok {
			return nil, refuse(ReasonUnknownKey, "the key %.40q is not one of this environment", kid)
		}
		return key, nil
	}, claims)
	if failed == nil {
		failed = v.checkIssuer(claims.claims())
	}
	if failed == nil {
		failed = checkTimes(claims.claims())
	}
	if failed != nil {
		return "", failed
	}
	return kid, nil
}

// readRooted reads what the root signed.
func (v *Verifier) readRooted(text string, k kind, claims claimed) *fault.Error {
	err := read(text, k, func(h header) (ed25519.PublicKey, *fault.Error) {
		if h.Key != rootKey || len(v.root) != ed25519.PublicKeySize {
			return nil, refuse(ReasonUnknownKey, "the key %.40q is not the root's", h.Key)
		}
		return v.root, nil
	}, claims)
	if err != nil {
		return err
	}
	return v.checkIssuer(claims.claims())
}

func (v *Verifier) checkIssuer(c *standard) *fault.Error {
	if c.Issuer != v.environment {
		return refuse(ReasonEnviron, "the token is one of environment %.60q, this is %s", c.Issuer, v.environment)
	}
	return nil
}

func checkTimes(c *standard) *fault.Error {
	now := time.Now()
	switch {
	case c.Issued.IsZero() || c.Expires.IsZero():
		return refuse(ReasonMalformed, "the token does not say from when to when it is good")
	case now.After(c.Expires.Add(leeway)):
		return refuse(ReasonExpired, "the token expired at %s", c.Expires.UTC().Format(time.RFC3339))
	case now.Before(c.Issued.Add(-leeway)) || now.Before(c.NotBefore.Add(-leeway)):
		return refuse(ReasonNotYet, "the token is from the future, by %s: do the clocks differ?", c.Issued.Sub(now).Round(time.Second))
	}
	return nil
}
