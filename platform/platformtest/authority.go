package platformtest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/auth"
)

// environment is the one whose tokens an Env gives.
const environment = "local"

// Identities stands in for kernel.login: it gives services their identity tokens and
// people their user tokens. An Env has one in memory unless WithIdentities names another.
type Identities interface {
	Issuer(service string) platform.TokenIssuer
	UserToken(u *auth.User) (string, error)
}

// WithIdentities has i stand in for kernel.login, for tests of kernel.login itself. Grant,
// Revoke, RotateKey and Credential are not to be used then.
func WithIdentities(i Identities) Option { return option(func(e *Env) { e.identities = i }) }

// WithoutIdentities leaves it to each service to bring its Credential or Issuer. One that
// has none does not start.
func WithoutIdentities() Option { return option(func(e *Env) { e.unidentified = true }) }

// authority stands in for kernel.login: a root, a key and a verifier for all.
type authority struct {
	root     *auth.Root
	verifier *auth.Verifier

	mu      sync.Mutex
	signer  *auth.Signer
	keys    map[string]ed25519.PublicKey
	grants  map[grant][]string // endpoints
	revoked uint64
}

type grant struct{ caller, called string }

// NewIdentities returns what an Env has by itself, for tests that bring their own bus.
func NewIdentities() (Identities, error) { return newAuthority() }

func newAuthority() (*authority, error) {
	master := make([]byte, auth.MasterSize)
	_, _ = rand.Read(master) // never fails
	root, err := auth.NewRoot(environment, master)
	if err != nil {
		return nil, err
	}
	a := &authority{
		root: root, verifier: auth.NewVerifier(root.PublicKey(), environment),
		keys: map[string]ed25519.PublicKey{}, grants: map[grant][]string{},
	}
	return a, a.rotate()
}

// rotate signs with a new key from now on. The old ones are good for what they signed.
func (a *authority) rotate() error {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	kid := fmt.Sprintf("key-%d", len(a.keys)+1)
	a.keys[kid] = public
	set, err := a.root.KeySet(maps.Clone(a.keys))
	if err != nil {
		return err
	}
	a.signer = auth.NewSigner(environment, private, kid)
	return a.verifier.SetKeys(set)
}

func (a *authority) revoke(r auth.Revocation) {
	a.mu.Lock()
	a.revoked++
	r.Number = a.revoked
	a.mu.Unlock()
	a.verifier.Revoke(r)
}

// Issuer implements Identities.
func (a *authority) Issuer(service string) platform.TokenIssuer { return issuer{a, service} }

// UserToken implements Identities.
func (a *authority) UserToken(u *auth.User) (string, error) {
	a.mu.Lock()
	signer := a.signer
	a.mu.Unlock()
	return signer.User(u)
}

// issuer gives tokens to instances of one service.
type issuer struct {
	*authority
	service string
}

// Verifier implements platform.TokenIssuer.
func (i issuer) Verifier() *auth.Verifier { return i.verifier }

// Tokens implements platform.TokenIssuer.
func (i issuer) Tokens(_ context.Context, instance string, audiences []string) ([]platform.IssuedToken, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := time.Now()
	tokens := make([]platform.IssuedToken, len(audiences))
	for n, audience := range audiences {
		identity := &auth.Identity{
			Service: i.service, Instance: instance, Audience: audience,
			Grants: i.grants[grant{i.service, audience}], Issued: now, Expires: now.Add(auth.MaxIdentityLife),
		}
		token, err := i.signer.Identity(identity)
		if err != nil {
			return nil, err
		}
		tokens[n] = platform.IssuedToken{Audience: audience, Token: token, Expires: identity.Expires}
	}
	return tokens, nil
}

// Token returns a token of the user. What is not set is made up: an id, an application,
// a session of its own, and eight hours from now.
func (e *Env) Token(u auth.User) string {
	e.t.Helper()
	e.mu.Lock()
	e.sessions++
	session := fmt.Sprintf("session-%d", e.sessions)
	e.mu.Unlock()
	if u.ID == "" {
		u.ID = "user"
	}
	if u.Application == "" {
		u.Application = "test"
	}
	if u.Session == "" {
		u.Session = session
	}
	if u.Issued.IsZero() {
		u.Issued = time.Now()
	}
	if u.Expires.IsZero() {
		u.Expires = u.Issued.Add(auth.MaxUserLife)
	}
	token, err := e.identities.UserToken(&u)
	if err != nil {
		e.t.Fatalf("make a token of user %s: %v", u.ID, err)
	}
	return token
}

// As returns a context whose calls are made on behalf of a user with these roles.
func (e *Env) As(ctx context.Context, user string, roles ...string) context.Context {
	e.t.Helper()
	return platform.WithToken(ctx, e.Token(auth.User{ID: user, Roles: roles}))
}

// Grant lets caller call an endpoint of service. Instances that run already learn of it
// with their next token.
func (e *Env) Grant(caller, service, endpoint string) {
	e.t.Helper()
	a := e.authority()
	a.mu.Lock()
	defer a.mu.Unlock()
	g := grant{caller, service}
	a.grants[g] = append(a.grants[g], endpoint)
}

// Revoke has every service in the Env refuse tokens from now on. It numbers r.
func (e *Env) Revoke(r auth.Revocation) {
	e.t.Helper()
	e.authority().revoke(r)
}

// RotateKey has tokens signed with a new key from now on. Those of the old one stay good.
func (e *Env) RotateKey() {
	e.t.Helper()
	if err := e.authority().rotate(); err != nil {
		e.t.Fatalf("rotate the key: %v", err)
	}
}

// Credential makes a credential of a service of the Env's environment, for whoever verifies
// assertions.
func (e *Env) Credential(service string) *auth.Credential {
	e.t.Helper()
	c, err := e.authority().root.Enrol(service, 24*time.Hour)
	if err != nil {
		e.t.Fatalf("enrol %s: %v", service, err)
	}
	return &c
}

// Verifier is what the services in the Env verify tokens with.
func (e *Env) Verifier() *auth.Verifier { return e.identities.Issuer(platform.Operator).Verifier() }

func (e *Env) authority() *authority {
	e.t.Helper()
	a, ok := e.identities.(*authority)
	if !ok {
		e.t.Fatalf("this needs the Env's own identities, not those of WithIdentities")
	}
	return a
}
