package platform

import (
	"context"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform/auth"
)

// IssuedToken is an identity token for calls of one service.
type IssuedToken struct {
	Audience string
	Token    string
	Expires  time.Time
}

// TokenIssuer gives an instance its identity tokens, one for each audience and in their
// order, and says what other tokens are verified with.
type TokenIssuer interface {
	Tokens(ctx context.Context, instance string, audiences []string) ([]IssuedToken, error)
	Verifier() *auth.Verifier
}

// Credential says what an instance proves to kernel.login with which service it is. The
// default is the file that HANSOM_IDENTITY names, or <service>.json in the folder that it
// names. A service cannot run without.
func Credential(c *auth.Credential) Option {
	if c == nil {
		panic("platform: Credential(nil)")
	}
	return serviceOption(func(cfg *config) { cfg.credential = c })
}

// Issuer has identity tokens come from i and not from kernel.login over the bus, for
// kernel.login itself and for tests.
func Issuer(i TokenIssuer) SharedOption {
	if i == nil {
		panic("platform: Issuer(nil)")
	}
	return sharedOption(func(cfg *config) { cfg.issuer = i })
}

// Token has a client's calls carry the user token that f returns, where their context
// has none. f is called for every attempt.
func Token(f func(ctx context.Context) (string, error)) ClientOption {
	return clientOption(func(cfg *config) { cfg.token = f })
}

type issuerKey struct{}

// WithIssuer has services that run in the returned context, and have neither Issuer nor
// Credential, get their identity tokens from i.
func WithIssuer(ctx context.Context, i TokenIssuer) context.Context {
	return context.WithValue(ctx, issuerKey{}, i)
}

// passport is how an instance proves who it is: its identity tokens, one for every
// service that it calls.
type passport struct {
	instance string
	issuer   TokenIssuer
	misses   func()          // asks for keys, where they come over the bus
	alive    context.Context // ends what is under way
	tasks    sync.WaitGroup

	mu      sync.Mutex
	tickets map[string]*ticket // by service
}

func newPassport(instance string, i TokenIssuer) *passport {
	return &passport{instance: instance, issuer: i, alive: context.Background(), tickets: map[string]*ticket{}}
}

// missesKey asks for the keys of kernel.login, when a token came that names one not
// known here.
func (p *passport) missesKey() {
	if p != nil && p.misses != nil {
		p.misses()
	}
}

// ticket is the identity token for one service. Between its uses it is renewed by
// passport.renew.
type ticket struct {
	passport *passport
	audience string
	current  atomic.Pointer[held]
	fetching atomic.Pointer[fetch]
	fetched  time.Time // when the last fetch ended; of who fetches
}

// held is a token that was issued.
type held struct {
	IssuedToken
	renew time.Time
}

func newHeld(t IssuedToken, now time.Time) *held {
	half := max(t.Expires.Sub(now)/2, 0)
	return &held{IssuedToken: t, renew: now.Add(half + rand.N(half/4+1))}
}

// fetch is a request for a token that is under way.
type fetch struct {
	done chan struct{} // closed when the rest is set
	held *held
	err  error
}

const (
	fetchLimit    = 5 * time.Second       // for the attempts of one fetch, however long the callers would wait
	fetchPause    = 50 * time.Millisecond // between fetches: a service that refuses every token must not cost kernel.login its peace
	renewInterval = 15 * time.Second      // how often tokens are looked through
	maxAudiences  = 100                   // in one request of kernel.login
)

func (p *passport) ticket(service string) *ticket {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.tickets[service]
	if t == nil {
		t = &ticket{passport: p, audience: service}
		p.tickets[service] = t
	}
	return t
}

// known returns the ticket for a service that was called before, or nil.
func (p *passport) known(service string) *ticket {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tickets[service]
}

// token returns the token, which the first use waits for until ctx ends.
func (t *ticket) token(ctx context.Context, now time.Time) (string, error) {
	if h := t.current.Load(); h != nil && now.Before(h.Expires) {
		return h.Token, nil
	}
	return t.fetch(ctx)
}

// fetch gets a token, once for all who wait for it.
func (t *ticket) fetch(ctx context.Context) (string, error) {
	mine := &fetch{done: make(chan struct{})}
	running := mine
	if !t.fetching.CompareAndSwap(nil, mine) {
		if running = t.fetching.Load(); running == nil { // it has just ended
			return t.token(ctx, time.Now())
		}
	} else {
		t.passport.tasks.Go(func() { t.run(mine) })
	}
	select {
	case <-running.done:
	case <-ctx.Done():
		return "", fault.Wrap(ctx.Err(), fault.From(ctx.Err()).Code, "platform.no_identity",
			"no identity token for %s came in time: is kernel.login running?", t.audience)
	}
	if running.err != nil {
		return "", running.err
	}
	return running.held.Token, nil
}

func (t *ticket) run(f *fetch) {
	ctx, cancel := context.WithTimeout(t.passport.alive, fetchLimit)
	defer cancel()
	defer close(f.done)
	defer t.fetching.Store(nil)
	if wait := time.Until(t.fetched.Add(fetchPause)); wait > 0 {
		pause(ctx, wait)
	}
	var got []*held
	if got, f.err = t.passport.obtain(ctx, []*ticket{t}); f.err == nil {
		f.held = got[0]
	}
	t.fetched = time.Now()
}

// obtain gets new tokens for tickets, of which there are at most maxAudiences.
func (p *passport) obtain(ctx context.Context, tickets []*ticket) ([]*held, error) {
	audiences := make([]string, len(tickets))
	for i, t := range tickets {
		audiences[i] = t.audience
	}
	now := time.Now()
	tokens, err := p.issuer.Tokens(ctx, p.instance, audiences)
	if err != nil {
		return nil, noIdentity(err, p.instance)
	}
	if len(tokens) != len(tickets) {
		return nil, fault.New(fault.Unavailable, "platform.no_identity", "%d identity tokens came for %d services", len(tokens), len(tickets))
	}
	got := make([]*held, len(tickets))
	for i, t := range tickets {
		got[i] = newHeld(tokens[i], now)
		t.current.Store(got[i])
	}
	return got, nil
}

func noIdentity(err error, instance string) error {
	f := fault.From(err)
	code := f.Code
	if code != fault.Timeout && code != fault.Forbidden && code != fault.Unauthorized {
		code = fault.Unavailable
	}
	return fault.Wrap(err, code, "platform.no_identity", "%s has no identity token for this call: is kernel.login running, and does it know the service?", instance)
}

// renew renews tokens from half of their lives on, until ctx ends. Where that fails
// they go on until they expire.
func (p *passport) renew(ctx context.Context, failed func(error)) {
	for pause(ctx, renewInterval) {
		due := p.due(time.Now())
		for len(due) > 0 {
			some := due[:min(len(due), maxAudiences)]
			due = due[len(some):]
			limited, cancel := context.WithTimeout(ctx, fetchLimit)
			if _, err := p.obtain(limited, some); err != nil {
				failed(err)
				due = nil
			}
			cancel()
		}
	}
}

func (p *passport) due(now time.Time) []*ticket {
	p.mu.Lock()
	defer p.mu.Unlock()
	var due []*ticket
	for _, t := range p.tickets {
		if h := t.current.Load(); h != nil && now.After(h.renew) {
			due = append(due, t)
		}
	}
	return due
}

// replace gets another token than the refused one, unless somebody has done so.
func (t *ticket) replace(ctx context.Context, refused string) error {
	if h := t.current.Load(); h != nil && h.Token == refused {
		t.current.CompareAndSwap(h, nil)
	}
	_, err := t.token(ctx, time.Now())
	return err
}

// assertion proves to the audience which service this is, where it has a credential and
// Run has begun; else it is "".
func (s *Service) assertion(audience string) (string, error) {
	if s.passport == nil {
		return "", nil
	}
	l, ok := s.passport.issuer.(*login)
	if !ok {
		return "", nil
	}
	return l.credential.Assertion(s.instance, audience)
}

// Verifier returns what tokens are verified with here, with the latest keys and
// revocations. Before Run has found out who the instance is, it accepts none; so ask for
// it when it is needed.
func (s *Service) Verifier() *auth.Verifier {
	if v := s.verifier.Load(); v != nil {
		return v
	}
	return noVerifier
}

var noVerifier = auth.NewVerifier(nil, "")

// identification finds out how the instance proves who it is.
func (s *Service) identification(ctx context.Context) (TokenIssuer, error) {
	if s.config.issuer != nil {
		return s.config.issuer, nil
	}
	credential := s.config.credential
	if i, ok := ctx.Value(issuerKey{}).(TokenIssuer); ok && credential == nil {
		return i, nil
	}
	if credential == nil {
		path := os.Getenv("HANSOM_IDENTITY")
		if path == "" {
			return nil, fault.New(fault.Unauthorized, "platform.no_credential",
				"%s has nothing to prove who it is with: set HANSOM_IDENTITY to its credential, or to the folder of <service>.json; `hansom up` keeps them in its data folder, and `hansom identity enrol %s` makes one", s.name, s.name)
		}
		var err error
		if credential, err = auth.ReadCredential(path, s.name); err != nil {
			return nil, err
		}
	}
	if credential.Service != s.name {
		return nil, fault.New(fault.Unauthorized, "platform.bad_credential", "the credential given to %s is that of %s", s.name, credential.Service)
	}
	if err := credential.Check(); err != nil {
		return nil, err
	}
	return newLogin(s, credential), nil
}
