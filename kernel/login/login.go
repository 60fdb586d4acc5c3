// Package login is kernel.login: it knows the environment's users, their sessions and
// what services may do, and is the only one that signs tokens. Package app runs it;
// everybody else calls it over the bus.
//
// # State
//
// Everything is in the store, so that any number of instances answer alike and a restart
// loses nothing: users and their identifiers, sessions by user, counters of failed logins,
// grants, signing keys (sealed under the master key), the log of
// revocations and the audit log. Of a session's secret and of passwords only hashes
// are stored, and of tokens nothing: they are signed anew from what they say.
//
// # Sessions and tokens
//
// A user has one session for each type of device; the newest wins. Exchange gives its
// token, the same to everybody, and from half an hour before its end the next. Sessions of
// administrators are never renewed. What is ended is revoked: the revocation gets the next number of the log
// before anything else changes, and is published at once.
//
// # The beacon
//
// login.beacon says every second, at once after a revocation and in answer to
// login.who which instance of login is there, with the key set and the newest revocations. Each instance looks every
// second, and when a sibling's beacon knows more, for what its siblings wrote.
package login

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/auth"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
	"github.com/hansom-platform/hansom/store"
)

// Name is the service's name.
const Name = "kernel.login"

// Config says what login is the login of. The zero value of a field means the default
// in brackets.
type Config struct {
	Environment string // ("local")
	Key         []byte // master key of auth.MasterSize bytes: who has it is any user and any service. Required.
	Hash        HashParams
	Beacon      time.Duration // between beacons, and looks into the store (1 s)
}

func (c Config) withDefaults() Config {
	c.Environment = cmp.Or(c.Environment, "local")
	c.Beacon = cmp.Or(c.Beacon, time.Second)
	c.Hash = c.Hash.withDefaults()
	return c
}

// login is one instance of the service.
type login struct {
	*realm
	config   Config
	svc      *platform.Service
	verifier *auth.Verifier
	seen     replays
	wake     chan struct{} // holds a token while a beacon is due
}

var _ loginpb.LoginServer = (*login)(nil)

// New returns an instance of kernel.login that keeps everything in st, which stays
// the caller's and is closed after Run has returned. It panics where the configuration
// is none: a mistake of the program.
func New(st *store.Store, config Config, opts ...platform.Option) *platform.Service {
	config = config.withDefaults()
	r, err := newRealm(st, config, slog.Default())
	if err != nil {
		panic("login.New: " + err.Error())
	}
	l := &login{
		realm: r, config: config, wake: make(chan struct{}, 1),
		verifier: auth.NewVerifier(r.root.PublicKey(), config.Environment),
	}
	opts = append([]platform.Option{platform.Owner("platform")}, opts...)
	l.svc = platform.New(Name, append(opts, platform.Issuer(own{l}))...)
	l.log, l.settings.log, l.settings.values = l.svc.Logger(), l.svc.Logger(), l.svc.Config()
	l.revised = l.learn
	loginpb.RegisterLogin(l.svc, l)
	l.prepare(st)
	return l.svc
}

func (l *login) prepare(st *store.Store) {
	l.svc.Subscribe(platform.Subscription{Topic: topicWho}, func(context.Context, *platform.Event) error {
		l.soon()
		return nil
	})
	l.svc.Subscribe(platform.Subscription{Topic: topicBeacon}, l.hear)
	l.svc.OnStart(l.start)
	l.svc.Background(l.shine)
	l.svc.Check("store", st.Check)
}

// own gives an instance of login its own identity tokens.
type own struct{ *login }

// Verifier implements platform.TokenIssuer.
func (o own) Verifier() *auth.Verifier { return o.verifier }

// Tokens implements platform.TokenIssuer. The first ones are wanted before anything else
// is done, so that it reads the store then.
func (o own) Tokens(ctx context.Context, instance string, audiences []string) ([]platform.IssuedToken, error) {
	if !o.verifier.HasKeys() {
		if err := o.refresh(ctx); err != nil {
			return nil, err
		}
	}
	made, err := o.identityTokens(ctx, Name, instance, audiences)
	if err != nil {
		return nil, err
	}
	tokens := make([]platform.IssuedToken, len(made))
	for i, m := range made {
		tokens[i] = platform.IssuedToken{Audience: m.GetAudience(), Token: m.GetToken(), Expires: m.GetExpires().AsTime()}
	}
	return tokens, nil
}
