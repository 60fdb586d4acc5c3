package platform_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/auth"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
	"github.com/hansom-platform/hansom/proto/rpc"
)

// office is a small kernel.login: it publishes beacons, identifies and revokes.
type office struct {
	w    *world
	root *auth.Root

	mu         sync.Mutex
	signer     *auth.Signer
	keys       map[string]ed25519.PublicKey
	revoked    []*loginpb.Revocation
	silent     bool // about revocations: a gap
	identified int
	fetched    int
	verifier   *auth.Verifier
	service    *platform.Service
}

func newOffice(w *world) *office {
	w.t.Helper()
	root, err := auth.NewRoot("local", bytes.Repeat([]byte{7}, auth.MasterSize))
	if err != nil {
		w.t.Fatal(err)
	}
	o := &office{w: w, root: root, keys: map[string]ed25519.PublicKey{}, verifier: auth.NewVerifier(root.PublicKey(), "local")}
	o.rotate()
	return o
}

func (o *office) rotate() {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		o.w.t.Fatal(err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	kid := fmt.Sprintf("k%d", len(o.keys)+1)
	o.keys[kid] = public
	o.signer = auth.NewSigner("local", private, kid)
	if err := o.verifier.SetKeys(o.keySet()); err != nil {
		o.w.t.Fatal(err)
	}
}

func (o *office) keySet() string {
	set, err := o.root.KeySet(maps.Clone(o.keys))
	if err != nil {
		o.w.t.Fatal(err)
	}
	return set
}

// Verifier implements platform.TokenIssuer.
func (o *office) Verifier() *auth.Verifier { return o.verifier }

// Tokens implements platform.TokenIssuer, for the login service itself.
func (o *office) Tokens(_ context.Context, instance string, audiences []string) ([]platform.IssuedToken, error) {
	return o.issue("kernel.login", instance, audiences)
}

func (o *office) issue(service, instance string, audiences []string) ([]platform.IssuedToken, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	var tokens []platform.IssuedToken
	for _, a := range audiences {
		i := &auth.Identity{Service: service, Instance: instance, Audience: a, Issued: now, Expires: now.Add(time.Hour)}
		token, err := o.signer.Identity(i)
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, platform.IssuedToken{Audience: a, Token: token, Expires: i.Expires})
	}
	return tokens, nil
}

func (o *office) identify(ctx context.Context, r *loginpb.IdentifyRequest) (*loginpb.IdentifyResponse, error) {
	service, instance, err := o.verifier.Assertion(r.GetAssertion(), o.service.ID())
	if err != nil {
		return nil, err
	}
	tokens, err := o.issue(service, instance, r.GetAudiences())
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.identified++
	answer := &loginpb.IdentifyResponse{Keys: o.keySet(), Revocations: o.revocations()}
	for _, t := range tokens {
		answer.Tokens = append(answer.Tokens, &loginpb.IdentityToken{Audience: t.Audience, Token: t.Token, Expires: timestamppb.New(t.Expires)})
	}
	return answer, nil
}

func (o *office) revocations() *loginpb.Revocations {
	return &loginpb.Revocations{List: o.revoked, Last: uint64(len(o.revoked))}
}

func (o *office) beacon(ctx context.Context) error {
	b, err := o.newBeacon()
	if err != nil {
		return err
	}
	return o.service.PublishEvent(ctx, "login.beacon", b)
}

func (o *office) newBeacon() (*loginpb.Beacon, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := &loginpb.Beacon{Keys: o.keySet(), Revocations: &loginpb.Revocations{Last: uint64(len(o.revoked))}}
	if !o.silent {
		b.Revocations = o.revocations()
	}
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(b.Revocations)
	if err != nil {
		return nil, err
	}
	b.Statement, err = o.signer.Statement(auth.Statement{
		Instance: o.service.ID(), At: time.Now(), LastRevocation: uint64(len(o.revoked)), Digest: auth.DigestOf(b.Keys, encoded),
	})
	return b, err
}

// run serves kernel.login until stop.
func (o *office) run() (stop func() error) {
	o.service = platform.New("kernel.login", platform.Logger(quiet), platform.RegisterWith(o.w), platform.Issuer(o),
		platform.Timing(platform.Timings{Settle: time.Nanosecond}))
	handle := func(e *rpc.Endpoint, h rpc.Handler) { o.service.Handle(e, h) }
	handle(loginpb.LoginIdentify, func(ctx context.Context, m proto.Message) (proto.Message, error) {
		return o.identify(ctx, m.(*loginpb.IdentifyRequest))
	})
	handle(loginpb.LoginRevocations, func(ctx context.Context, m proto.Message) (proto.Message, error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.fetched++
		return &loginpb.RevocationsResponse{Revocations: o.revocations()}, nil
	})
	o.service.Subscribe(bus.Subscription{Topic: "login.who"}, func(ctx context.Context, _ *bus.Event) error { return o.beacon(ctx) })
	o.service.Background(func(ctx context.Context) error {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			if err := o.beacon(ctx); err != nil {
				return err
			}
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
		}
	})
	return o.w.run(o.service)
}

func (o *office) revoke(r *loginpb.Revocation) {
	o.mu.Lock()
	r.Number = uint64(len(o.revoked) + 1)
	o.revoked = append(o.revoked, r)
	o.mu.Unlock()
	o.verifier.Revoke(auth.Revocation{Number: r.GetNumber(), Session: r.GetSession(), Caller: r.GetCaller(), Before: timeOf(r)})
}

func timeOf(r *loginpb.Revocation) time.Time {
	if r.GetBefore() == nil {
		return time.Time{}
	}
	return r.GetBefore().AsTime()
}

func (o *office) user(session string, roles ...string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	token, err := o.signer.User(&auth.User{ID: "u1", Application: "customer", Session: session, Roles: roles, Issued: now, Expires: now.Add(time.Hour)})
	if err != nil {
		o.w.t.Fatal(err)
	}
	return token
}

// service returns one with a credential of its own, which finds kernel.login by its
// beacons.
func (o *office) serviceOf(name string, opts ...platform.Option) *platform.Service {
	c, err := o.root.Enrol(name, 24*time.Hour)
	if err != nil {
		o.w.t.Fatal(err)
	}
	all := []platform.Option{platform.Logger(quiet), platform.RegisterWith(o.w), platform.Credential(&c), platform.Timing(platform.Timings{Settle: time.Nanosecond})}
	return platform.New(name, append(all, opts...)...)
}

// pair runs core.above, whose endpoint "do" calls core.below's, which wants a service.
func (o *office) pair() (above, below *platform.Service, do *rpc.Endpoint) {
	deep := endpoint("core.below", "do", func(e *rpc.Endpoint) { e.Roles = []string{platform.RoleService} })
	do = endpoint("core.above", "do")
	below = o.serviceOf("core.below")
	below.Handle(deep, text(func(ctx context.Context, in string) (string, error) {
		c := platform.CallerOf(ctx)
		return in + " from " + c.Service + ", which is " + fmt.Sprint(strings.HasPrefix(c.Instance, c.Service+"-")), nil
	}))
	o.w.run(below)
	above = o.serviceOf("core.above")
	above.Handle(do, text(func(ctx context.Context, in string) (string, error) { return say(ctx, above, deep, in) }))
	o.w.run(above)
	return above, below, do
}

const fromAbove = "hello from core.above, which is true"

func TestInstancesFindLoginAndProveWhoTheyAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		o := newOffice(w)
		o.run()
		_, _, do := o.pair()
		for range 10 {
			if got, err := say(t.Context(), w.client("stranger"), do, "hello"); err != nil || got != fromAbove {
				t.Fatalf("got %q, %v; want %q", got, err, fromAbove)
			}
		}
		if o.identified != 3 {
			t.Errorf("kernel.login identified %d times, want one for each of two instances and one for the first call", o.identified)
		}
	})
}

func TestInstancesWaitForLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		o := newOffice(w)
		s := o.serviceOf("core.early")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx, w.dial) }()
		time.Sleep(time.Minute)
		select {
		case <-s.Ready():
			t.Errorf("the instance is ready without kernel.login")
		case err := <-done:
			t.Fatalf("Run ended with %v, want it to wait", err)
		default:
		}
		o.run()
		<-s.Ready()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestAnInstanceThatWaitsForLoginEndsInGoodOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		o := newOffice(w)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := o.serviceOf("core.early").Run(ctx, w.dial); err != nil {
			t.Errorf("Run: %v, want nil", err)
		}
	})
}

func TestTokensOutliveLoginUntilTheyExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		o := newOffice(w)
		stop := o.run()
		_, _, do := o.pair()
		call := func() error {
			_, err := say(t.Context(), w.client("stranger"), do, "hello")
			return err
		}
		if err := call(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Minute) // renewed meanwhile
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Minute)
		if err := call(); err != nil {
			t.Errorf("20 minutes after kernel.login went: %v, want the known token to be good", err)
		}
		time.Sleep(time.Hour)
		if err := call(); !fault.Is(err, fault.Unavailable) {
			t.Errorf("80 minutes after kernel.login went: %v, want UNAVAILABLE", err)
		}
		o.run()
		if err := call(); err != nil {
			t.Errorf("after kernel.login came back: %v", err)
		}
	})
}

func TestARevokedIdentityIsRenewedAndTheCallRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		o := newOffice(w)
		o.run()
		_, _, do := o.pair() // not idempotent
		call := func(when string) {
			t.Helper()
			if got, err := say(t.Context(), w.client("stranger"), do, "hello"); err != nil || got != fromAbove {
				t.Errorf("%s: %q, %v; want %q", when, got, err, fromAbove)
			}
		}
		call("at first")
		time.Sleep(time.Second)
		o.revoke(&loginpb.Revocation{Caller: "core.above", Before: timestamppb.New(time.Now())})
		time.Sleep(1100 * time.Millisecond)
		before := o.identified
		call("after the revocation")
		call("and again")
		if got := o.identified - before; got != 1 {
			t.Errorf("identified %d times, want once", got)
		}
	})
}

func TestARotatedKeyGoesUnnoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		o := newOffice(w)
		o.run()
		above, _, do := o.pair()
		for range 5 {
			o.rotate()
			token := o.user("s1", "CUSTOMER") // of a key that no beacon has told of yet
			time.Sleep(1100 * time.Millisecond)
			if _, err := above.Verifier().User(token); err != nil {
				t.Errorf("a token of the new key: %v", err)
			}
			if _, err := say(t.Context(), w.client("stranger"), do, "hello"); err != nil {
				t.Errorf("a call after the rotation: %v", err)
			}
		}
	})
}

func TestAnEndedSessionEndsEverywhereWithinASecond(t *testing.T) {
	for _, gap := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			o := newOffice(w)
			o.run()
			who := endpoint("core.who", "do", func(e *rpc.Endpoint) { e.Roles = []string{"CUSTOMER"} })
			s := o.serviceOf("core.who")
			s.Handle(who, text(echo))
			w.run(s)
			ctx := platform.WithToken(t.Context(), o.user("s1", "CUSTOMER"))
			other := platform.WithToken(t.Context(), o.user("s2", "CUSTOMER"))
			c := w.client("stranger")
			if _, err := say(ctx, c, who, ""); err != nil {
				t.Fatal(err)
			}
			o.silent = gap
			o.revoke(&loginpb.Revocation{Session: "s1"})
			time.Sleep(time.Second + time.Millisecond)
			if _, err := say(ctx, c, who, ""); !fault.Is(err, fault.Unauthorized) || fault.ReasonOf(err) != auth.ReasonRevoked {
				t.Errorf("a call in the ended session, gap %t: %v, want UNAUTHORIZED %s", gap, err, auth.ReasonRevoked)
			}
			if _, err := say(other, c, who, ""); err != nil {
				t.Errorf("a call in another session: %v", err)
			}
			time.Sleep(10 * time.Second)
			if want := map[bool]int{true: 1}[gap]; o.fetched != want {
				t.Errorf("revocations were fetched %d times, gap %t, want %d", o.fetched, gap, want)
			}
		})
	}
}

func TestForgedBeaconsAreNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		o := newOffice(w)
		stop := o.run()
		above, _, _ := o.pair()
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		token := o.user("s1", "CUSTOMER")
		stranger := platform.NewClient("kernel.login", w.open(), platform.Logger(quiet))
		o.revoked = append(o.revoked, &loginpb.Revocation{Number: 1, Session: "another"})
		altered, err := o.newBeacon()
		if err != nil {
			t.Fatal(err)
		}
		altered.Revocations = &loginpb.Revocations{Last: 1, List: []*loginpb.Revocation{{Number: 1, Session: "s1"}}}
		forged := []*loginpb.Beacon{
			altered,
			{},
			{Statement: "x", Keys: "y"},
			{Keys: o.keySet(), Revocations: &loginpb.Revocations{Last: 9, List: []*loginpb.Revocation{{Number: 9, Session: "s1"}}}},
			{Keys: o.keySet(), Statement: o.user("s3"), Revocations: &loginpb.Revocations{Last: 9, List: []*loginpb.Revocation{{Number: 9, Session: "s1"}}}},
		}
		for _, b := range forged {
			time.Sleep(10 * time.Second)
			if err := stranger.PublishEvent(t.Context(), "login.beacon", b); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if _, err := above.Verifier().User(token); err != nil {
				t.Errorf("after the beacon %v: %v, want the token to stay good", b, err)
			}
		}
	})
}
