package factory

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hansom-platform/hansom/app"
	"github.com/hansom-platform/hansom/fault"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

// What the command line is to kernel.login.
const (
	DeviceType = "cli"
	AdminUsers = "admin" // the application of operators
)

// tokenMargin is how long before its end a token is no longer used.
const tokenMargin = 30 * time.Second

// Proof is a session, and the token that it was exchanged for.
type Proof struct {
	Session    string // the secret
	Token      string
	Expires    time.Time // of the token
	Identifier string    // of the user, where it is known
	Source     string    // "--session", "$HANSOM_SESSION", "hansom login" or the path of an admin.json
}

// prover finds out who the command line is, when a call first needs to know. In this order:
// the session given by flag or environment; the one that `hansom login` saved for this
// platform; that of admin.json; and when that has ended, admin.json's password.
type prover struct {
	f        *Factory
	login    *loginpb.LoginClient // over a client that proves nothing
	platform string               // key of saved sessions
	given    Proof                // Session "": none
	admin    app.Admin            // empty: none of this platform
	folder   string               // of admin

	mu     sync.Mutex
	proof  Proof
	warned bool
}

func (f *Factory) prover(c Connection, busURL string, login *loginpb.LoginClient) *prover {
	p := &prover{f: f, login: login, folder: c.Data}
	p.given = Proof{Session: c.Session, Source: "--session"}
	if c.Session == "" {
		p.given = Proof{Session: f.Env("HANSOM_SESSION"), Source: "$HANSOM_SESSION"}
	}
	p.admin = adminOf(c.Data, busURL)
	p.platform = cmp.Or(p.admin.Environment, f.Env("HANSOM_ENV"), "local") + " " + host(busURL)
	return p
}

// token is for a platform.Client: "" where nothing says who the command line is.
func (p *prover) token(ctx context.Context) (string, error) {
	proof, err := p.prove(ctx)
	return proof.Token, err
}

// prove returns a proof that is good now, or none.
func (p *prover) prove(ctx context.Context) (Proof, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.proof.Token != "" && p.f.Now().Before(p.proof.Expires.Add(-tokenMargin)) {
		return p.proof, nil
	}
	proof, err := p.find(ctx)
	if away(err) {
		p.warn("warning: kernel.login does not answer: calls go without a proof of who you are (%v)", err)
		return Proof{}, nil
	}
	if err != nil {
		return Proof{}, err
	}
	p.proof = proof
	return proof, nil
}

func (p *prover) find(ctx context.Context) (Proof, error) {
	if p.given.Session != "" {
		proof, err := p.exchange(ctx, p.given)
		if ended(err) {
			return Proof{}, fmt.Errorf("the session from %s is not good (any more): %w", p.given.Source, err)
		}
		return proof, err
	}
	all, err := p.f.readSaves()
	if err != nil {
		p.warn("warning: %v", err)
	}
	if saved, ok := all.Sessions[p.platform]; ok {
		proof, err := p.saved(ctx, saved)
		if !ended(err) {
			return proof, err
		}
		p.warn("the session of %s has ended%s", saved.Identifier, p.next())
	}
	return p.ofAdmin(ctx)
}

// saved goes on with the last token where login is away.
func (p *prover) saved(ctx context.Context, s Saved) (Proof, error) {
	known := Proof{Session: s.Session, Token: s.Token, Expires: s.Expires, Identifier: s.Identifier, Source: "hansom login"}
	proof, err := p.exchange(ctx, known)
	switch {
	case away(err) && s.Token != "" && p.f.Now().Before(s.Expires.Add(-tokenMargin)):
		return known, nil
	case ended(err):
		_ = p.f.changeSaves(func(all *saves) error { // it is asked again next time otherwise
			if all.Sessions[p.platform].Session == s.Session {
				delete(all.Sessions, p.platform)
			}
			return nil
		})
	}
	return proof, err
}

func (p *prover) ofAdmin(ctx context.Context) (Proof, error) {
	source := p.folder + "/admin.json"
	if p.admin.Session != "" {
		proof, err := p.exchange(ctx, Proof{Session: p.admin.Session, Identifier: p.admin.User, Source: source})
		if !ended(err) {
			return proof, err
		}
	}
	if p.admin.User == "" || p.admin.Password == "" {
		return Proof{}, nil
	}
	return p.again(ctx, source)
}

// again logs in with admin.json's password and saves the session, so that the commands after
// this one share it: a user has one session per device type.
func (p *prover) again(ctx context.Context, source string) (proof Proof, err error) {
	err = p.f.changeSaves(func(all *saves) error {
		if s, ok := all.Sessions[p.platform]; ok { // of a command that was faster
			if proof, err = p.exchange(ctx, Proof{Session: s.Session, Identifier: s.Identifier, Source: "hansom login"}); err == nil {
				return nil
			}
		}
		response, err := p.authenticate(ctx, all, Credentials{AdminUsers, p.admin.User, p.admin.Password, DeviceType})
		if err != nil {
			return fmt.Errorf("log in as %s with the password in %s: %w; log in with `hansom login`", p.admin.User, source, err)
		}
		p.keep(all, p.admin.User, response)
		proof = Proof{response.GetSessionId(), response.GetToken(), response.GetExpires().AsTime(), p.admin.User, source}
		return nil
	})
	return proof, err
}

// Credentials are what a user logs in with.
type Credentials struct {
	Application, Identifier, Password, DeviceType string
}

// authenticate opens a session. It notes the device.
func (p *prover) authenticate(ctx context.Context, all *saves, c Credentials) (*loginpb.AuthenticateResponse, error) {
	device := deviceKey(p.platform, c.Application, c.Identifier)
	response, err := p.login.Authenticate(ctx, &loginpb.AuthenticateRequest{
		Application: c.Application, Identifier: c.Identifier, Password: c.Password,
		DeviceType: c.DeviceType, KnownDevice: all.Devices[device], Source: DeviceType,
	})
	if err == nil && response.GetKnownDevice() != "" {
		all.Devices[device] = response.GetKnownDevice()
	}
	return response, err
}

func (p *prover) keep(all *saves, identifier string, r *loginpb.AuthenticateResponse) {
	all.Sessions[p.platform] = Saved{r.GetSessionId(), r.GetToken(), r.GetExpires().AsTime(), identifier}
}

// exchange fills in the token of a session.
func (p *prover) exchange(ctx context.Context, proof Proof) (Proof, error) {
	response, err := p.login.Exchange(ctx, &loginpb.ExchangeRequest{SessionId: proof.Session})
	if err != nil {
		return Proof{}, err
	}
	proof.Token, proof.Expires = response.GetToken(), response.GetExpires().AsTime()
	return proof, nil
}

// next says who speaks when a saved session has ended.
func (p *prover) next() string {
	if p.admin.User == "" {
		return "; log in with `hansom login`"
	}
	return fmt.Sprintf("; going on as %s of %s/admin.json", p.admin.User, p.folder)
}

func (p *prover) warn(format string, args ...any) {
	if !p.warned {
		_, _ = fmt.Fprintf(p.f.Err, format+"\n", args...)
	}
	p.warned = true
}

// ended reports whether login said that a session is not good.
func ended(err error) bool { return fault.Is(err, fault.Unauthorized) || fault.Is(err, fault.NotFound) }

// away reports whether login did not answer.
func away(err error) bool {
	return fault.Is(err, fault.Unavailable) || fault.Is(err, fault.NoRoute) || fault.Is(err, fault.Timeout) || fault.Is(err, fault.CircuitOpen)
}
