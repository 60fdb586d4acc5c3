package gateway

import (
	"context"
	"crypto/ed25519"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/auth"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

const environment = "test"

// authority stands in for kernel.login. The session "hs-ada-CUSTOMER" is that of the
// user ada with the role CUSTOMER, until it is ended.
type authority struct {
	signer   *auth.Signer
	verifier *auth.Verifier

	mu        sync.Mutex
	away      error         // what an exchange fails with
	hold      chan struct{} // exchanges wait for it
	life      time.Duration // of tokens
	renew     time.Duration // after which the next one can be had; 0: never
	over      map[string]bool
	exchanges int
}

func newAuthority(t testing.TB) *authority {
	root, err := auth.NewRoot(environment, make([]byte, auth.MasterSize))
	if err != nil {
		t.Fatal(err)
	}
	public, private, _ := ed25519.GenerateKey(nil)
	set, err := root.KeySet(map[string]ed25519.PublicKey{"k1": public})
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{
		signer: auth.NewSigner(environment, private, "k1"), verifier: auth.NewVerifier(root.PublicKey(), environment),
		life: time.Hour, over: map[string]bool{},
	}
	if err := a.verifier.SetKeys(set); err != nil {
		t.Fatal(err)
	}
	return a
}

// token returns a new token for a session.
func (a *authority) token(session string) string {
	part := strings.Split(session, "-")
	now := time.Now()
	token, err := a.signer.User(&auth.User{
		ID: part[1], Application: strings.ToLower(part[2]), Session: "s-" + part[1], Device: "web", Roles: []string{part[2]},
		Issued: now, Expires: now.Add(a.life),
	})
	if err != nil {
		panic(err)
	}
	return token
}

func (a *authority) exchange(ctx context.Context, session string) (*loginpb.ExchangeResponse, error) {
	a.mu.Lock()
	a.exchanges++
	hold := a.hold
	a.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.away != nil:
		return nil, a.away
	case a.over[session] || !strings.HasPrefix(session, "hs-"):
		return nil, fault.New(fault.Unauthorized, "kernel.login.session", "there is no such session")
	}
	response := &loginpb.ExchangeResponse{Token: a.token(session), Expires: timestamppb.New(time.Now().Add(a.life))}
	if a.renew > 0 {
		response.RenewAfter = timestamppb.New(time.Now().Add(a.renew))
	}
	return response, nil
}

// end ends a session, as kernel.login and what it tells every instance do.
func (a *authority) end(session string) {
	a.set(func() { a.over[session] = true })
	a.verifier.Revoke(auth.Revocation{Session: "s-" + strings.Split(session, "-")[1]})
}

func (a *authority) set(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

func (a *authority) asked() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.exchanges
}

// issuer gives tokens to one service.
type issuer struct {
	*authority
	service string
}

// Verifier implements platform.TokenIssuer.
func (i issuer) Verifier() *auth.Verifier { return i.verifier }

// Tokens implements platform.TokenIssuer.
func (i issuer) Tokens(_ context.Context, instance string, audiences []string) ([]platform.IssuedToken, error) {
	var tokens []platform.IssuedToken
	now := time.Now()
	for _, audience := range audiences {
		token, err := i.signer.Identity(&auth.Identity{Service: i.service, Instance: instance, Audience: audience, Issued: now, Expires: now.Add(time.Hour)})
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, platform.IssuedToken{Audience: audience, Token: token, Expires: now.Add(time.Hour)})
	}
	return tokens, nil
}

// login returns kernel.login.
func (w *world) login() *platform.Service {
	s := platform.New("kernel.login", w.options()...)
	s.Handle(loginpb.LoginExchange, func(ctx context.Context, m proto.Message) (proto.Message, error) {
		response, err := w.authority.exchange(ctx, m.(*loginpb.ExchangeRequest).GetSessionId())
		if err != nil {
			return nil, err
		}
		return response, nil
	})
	return s
}
