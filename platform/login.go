package platform

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform/auth"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

// Topics of kernel.login (see loginpb.Beacon).
const (
	topicBeacon = "login.beacon"
	topicWho    = "login.who"
)

const (
	loginForgotten = 10 * time.Second // after an instance's last beacon
	believeWithin  = 5 * time.Second  // after a beacon was verified, those that say nothing new are not
	askPause       = 200 * time.Millisecond
	identifyLimit  = 2 * time.Second // for one instance to answer
)

// reasonReplayed is what kernel.login says where it handled an assertion whose answer was
// lost: the call was repeated. The next one has another.
const reasonReplayed = "kernel.login.identify.replayed"

// login is kernel.login as an instance sees it: by its beacons, which tell where it is,
// its keys and what was revoked. It is the instance's TokenIssuer.
type login struct {
	service    *Service
	client     *Client // calls without identity
	credential *auth.Credential
	verifier   *auth.Verifier

	mu        sync.Mutex
	instances map[string]time.Time // announced, and when last
	heard     chan struct{}        // closed and replaced at every announcement
	verified  time.Time            // of the last beacon that was
	asked     time.Time
	catching  bool // up with the revocations
	running   context.Context
	tasks     sync.WaitGroup
}

func newLogin(s *Service, c *auth.Credential) *login {
	bare := newClient(s.name, &s.config)
	bare.bus, bare.hops, bare.instance, bare.from = s.bus, s.hops, s.instance, s.from
	return &login{
		service: s, client: bare, credential: c,
		verifier:  auth.NewVerifier(c.Root, c.Environment),
		instances: map[string]time.Time{}, heard: make(chan struct{}), running: context.Background(),
	}
}

// Verifier implements TokenIssuer.
func (l *login) Verifier() *auth.Verifier { return l.verifier }

// Tokens implements TokenIssuer. It asks one announced instance after the other, and
// waits for another to be announced until ctx ends.
func (l *login) Tokens(ctx context.Context, instance string, audiences []string) ([]IssuedToken, error) {
	var last error
	for {
		at, heard := l.announced()
		for _, login := range at {
			tokens, err := l.identify(ctx, login, instance, audiences)
			if err == nil {
				return tokens, nil
			}
			if refused(err) && fault.ReasonOf(err) != reasonReplayed {
				return nil, err
			}
			l.forget(login)
			last = err
		}
		l.ask(ctx)
		if !l.await(ctx, heard) {
			return nil, l.absent(ctx, last)
		}
	}
}

func (l *login) absent(ctx context.Context, last error) error {
	if last == nil {
		last = ctx.Err()
	}
	return fault.Wrap(last, fault.Unavailable, "platform.no_login", "kernel.login was not reached")
}

// await returns when kernel.login was heard, or it is time to ask again, and reports
// whether ctx is still good.
func (l *login) await(ctx context.Context, heard <-chan struct{}) bool {
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-heard:
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// announced returns the instances heard lately, in any order, and what is closed when
// one is heard again.
func (l *login) announced() ([]string, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.instances, func(_ string, at time.Time) bool { return time.Since(at) > loginForgotten })
	all := slices.Sorted(maps.Keys(l.instances))
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all, l.heard
}

func (l *login) forget(instance string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.instances, instance)
	l.verified = time.Time{} // so that its next beacon counts
}

// ask has every instance of kernel.login announce itself.
func (l *login) ask(ctx context.Context) {
	l.mu.Lock()
	soon := time.Since(l.asked) < askPause
	if !soon {
		l.asked = time.Now()
	}
	l.verified = time.Time{}
	l.mu.Unlock()
	if soon {
		return
	}
	if err := l.client.PublishEvent(ctx, topicWho, &loginpb.BeaconWanted{From: l.service.instance}); err != nil {
		l.service.log.DebugContext(ctx, "asking for kernel.login failed", "error", err)
	}
}

// identify proves to one instance of kernel.login who this one is.
func (l *login) identify(ctx context.Context, at, instance string, audiences []string) ([]IssuedToken, error) {
	ctx, cancel := context.WithTimeout(ctx, identifyLimit)
	defer cancel()
	assertion, err := l.credential.Assertion(instance, at)
	if err != nil {
		return nil, err
	}
	answer := new(loginpb.IdentifyResponse)
	request := &loginpb.IdentifyRequest{Assertion: assertion, Audiences: audiences, Since: l.verifier.LastRevocation()}
	if err := l.client.Call(To(outside(ctx), at), loginpb.LoginIdentify, request, answer); err != nil {
		return nil, err
	}
	if err := l.learn(answer.GetKeys(), answer.GetRevocations()); err != nil {
		return nil, err
	}
	if answer.GetRevocations().GetMore() {
		if err := l.fetchRevocations(outside(ctx), at); err != nil {
			return nil, err
		}
	}
	tokens := make([]IssuedToken, len(answer.GetTokens()))
	for i, t := range answer.GetTokens() {
		identity, err := l.verifier.Identity(t.GetToken(), t.GetAudience())
		if err != nil {
			return nil, fault.Wrap(err, fault.Unavailable, "platform.bad_identity", "%s gave a token that is not good", at)
		}
		if identity.Instance != instance || identity.Service != l.service.name || i >= len(audiences) || t.GetAudience() != audiences[i] {
			return nil, fault.New(fault.Unavailable, "platform.bad_identity", "%s gave a token that is another's", at)
		}
		tokens[i] = IssuedToken{Audience: t.GetAudience(), Token: t.GetToken(), Expires: identity.Expires}
	}
	return tokens, nil
}

// outside leaves out of ctx what a request carries for its user.
func outside(ctx context.Context) context.Context {
	return withScope(ctx, func(s *scope) { *s = scope{Context: s.Context, cohort: bus.NoCohort} })
}

// learn takes all that is known to be revoked, and the keys.
func (l *login) learn(keys string, r *loginpb.Revocations) error {
	if err := l.verifier.SetKeys(keys); err != nil {
		return fault.Wrap(err, fault.Unavailable, "platform.bad_keys", "kernel.login gave keys that the root has not signed")
	}
	l.verifier.Revoke(revocationsOf(r)...)
	if r.GetLast() > l.verifier.LastRevocation() {
		l.verifier.RevokedUpTo(r.GetLast())
	}
	return nil
}

func revocationsOf(r *loginpb.Revocations) []auth.Revocation {
	all := make([]auth.Revocation, len(r.GetList()))
	for i, one := range r.GetList() {
		all[i] = auth.Revocation{
			Number: one.GetNumber(), Session: one.GetSession(), User: one.GetUser(),
			Caller: one.GetCaller(), Audience: one.GetAudience(),
		}
		if one.GetBefore() != nil {
			all[i].Before = one.GetBefore().AsTime()
		}
		if one.GetExpires() != nil {
			all[i].Expires = one.GetExpires().AsTime()
		}
	}
	return all
}

// beacon takes a beacon. It is a bus.EventHandler.
func (l *login) beacon(ctx context.Context, e *bus.Event) error {
	var b loginpb.Beacon
	if err := proto.Unmarshal(e.Message.Body, &b); err != nil {
		return nil //nolint:nilerr // whoever publishes nonsense is not to fill the log
	}
	if l.isOld(&b) {
		return nil
	}
	said, err := l.believe(&b)
	if err != nil {
		l.service.log.WarnContext(ctx, "a beacon of kernel.login is not believed", "error", err)
		return nil
	}
	l.announce(said.Instance)
	list := slices.DeleteFunc(revocationsOf(b.GetRevocations()), func(r auth.Revocation) bool { return r.Number > said.LastRevocation })
	l.verifier.Revoke(list...)
	if said.LastRevocation > l.verifier.LastRevocation() {
		l.catchUp(said.Instance)
	}
	return nil
}

// isOld reports whether a beacon says nothing that is not known, by its own word. It
// may as well be left unverified then.
func (l *login) isOld(b *loginpb.Beacon) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Since(l.verified) < believeWithin && b.GetKeys() == l.verifier.Keys() &&
		b.GetRevocations().GetLast() == l.verifier.LastRevocation()
}

func (l *login) believe(b *loginpb.Beacon) (auth.Statement, error) {
	revocations, err := proto.MarshalOptions{Deterministic: true}.Marshal(b.GetRevocations())
	if err != nil {
		return auth.Statement{}, err
	}
	return l.verifier.Announced(b.GetKeys(), b.GetStatement(), revocations)
}

func (l *login) announce(instance string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.instances[instance], l.verified = time.Now(), time.Now()
	close(l.heard)
	l.heard = make(chan struct{})
}

// catchUp fetches the revocations that no beacon brought.
func (l *login) catchUp(from string) {
	l.mu.Lock()
	busy := l.catching || l.running.Err() != nil
	if !busy {
		l.catching = true
		l.tasks.Add(1)
	}
	ctx := l.running
	l.mu.Unlock()
	if busy {
		return
	}
	go func() {
		defer l.tasks.Done()
		if err := l.fetchRevocations(ctx, from); err != nil && ctx.Err() == nil {
			l.service.log.WarnContext(ctx, "revocations are missing; the next beacon has them fetched again", "error", err)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.catching, l.verified = false, time.Time{}
	}()
}

// fetchRevocations fetches all that are not known here, in as many answers as it takes.
func (l *login) fetchRevocations(ctx context.Context, from string) error {
	ctx, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	for {
		since := l.verifier.LastRevocation()
		answer := new(loginpb.RevocationsResponse)
		if err := l.client.Call(To(ctx, from), loginpb.LoginRevocations, &loginpb.RevocationsRequest{Since: since}, answer); err != nil {
			return err
		}
		if err := l.learn(l.verifier.Keys(), answer.GetRevocations()); err != nil {
			return err
		}
		if !answer.GetRevocations().GetMore() || l.verifier.LastRevocation() <= since {
			return nil
		}
	}
}

// run binds what the login does by itself to ctx.
func (l *login) run(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running = ctx
}

// missesKey asks for a beacon, because a token names a key that is not known.
func (l *login) missesKey() {
	l.mu.Lock()
	ctx, busy := l.running, l.running.Err() != nil || time.Since(l.asked) < askPause
	if !busy {
		l.tasks.Add(1)
	}
	l.mu.Unlock()
	if !busy {
		go func() {
			defer l.tasks.Done()
			l.ask(ctx)
		}()
	}
}
