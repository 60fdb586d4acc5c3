package login

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform/auth"
	"github.com/hansom-platform/hansom/platform/config"
	"github.com/hansom-platform/hansom/store"
	"github.com/hansom-platform/hansom/store/memstore"
)

// cheap hashes fast enough for tests.
var cheap = HashParams{MemoryKiB: 8, Passes: 1, Lanes: 1}

var masterKey = []byte("0123456789abcdef0123456789abcdef")

func testConfig() Config { return Config{Environment: "test", Key: masterKey, Hash: cheap} }

const password = "a rather long pass phrase"

// site is one login instance without a bus, over a store that others may share.
type site struct {
	*realm
	t        *testing.T
	verifier *auth.Verifier
	config   *config.Values
}

// inRealm runs a test in virtual time over a store in memory.
func inRealm(t *testing.T, f func(t *testing.T, s *site)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newSite(t, store.New(memstore.New()))) })
}

func newSite(t *testing.T, st *store.Store) *site {
	t.Helper()
	r, err := newRealm(st, testConfig(), slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	s := &site{realm: r, t: t, verifier: auth.NewVerifier(r.root.PublicKey(), r.env), config: config.New()}
	r.settings.values = s.config
	s.look()
	return s
}

// look does what an instance does every second: it reads keys and revocations.
func (s *site) look() {
	s.t.Helper()
	if err := s.keys.refresh(s.t.Context()); err != nil {
		s.t.Fatalf("refresh the keys: %v", err)
	}
	if err := s.verifier.SetKeys(s.keys.set()); err != nil {
		s.t.Fatalf("take the key set: %v", err)
	}
	if err := s.catchUp(s.t.Context()); err != nil {
		s.t.Fatalf("read the revocations: %v", err)
	}
	for _, r := range s.revoked.live {
		s.verifier.Revoke(r.rule())
	}
}

// configure sets the settings of an application.
func (s *site) configure(application, settings string) {
	s.t.Helper()
	document := fmt.Sprintf(`{"hansom":{"login":{"applications":{%q:%s}}}}`, application, settings)
	if err := s.config.Set([]byte(document), s.config.Revision()+1, document); err != nil {
		s.t.Fatalf("configure %s: %v", document, err)
	}
}

// customer makes a user of the application "customer" and an administrator makes one of "admin".
func (s *site) customer(identifiers ...string) user {
	return s.make("customer", identifiers, "CUSTOMER")
}
func (s *site) administrator(name string) user { return s.make("admin", []string{name}, "ADMIN") }

func (s *site) make(application string, identifiers []string, roles ...string) user {
	s.t.Helper()
	u, err := s.createUser(s.t.Context(), newUser{application, identifiers, password, roles})
	if err != nil {
		s.t.Fatalf("create user %q: %v", identifiers, err)
	}
	return u
}

// try authenticates a customer.
func (s *site) try(identifier, password, device, known, source string) (opened, error) {
	_, o, err := s.authenticate(s.t.Context(), attempt{"customer", identifier, password, known, source}, device)
	return o, err
}

func (s *site) logIn(identifier, device string) opened {
	s.t.Helper()
	o, err := s.try(identifier, password, device, "", "")
	if err != nil {
		s.t.Fatalf("log in as %s: %v", identifier, err)
	}
	return o
}

// works reports whether a token is good after the site looked.
func (s *site) works(token string) bool {
	s.t.Helper()
	s.look()
	_, err := s.verifier.User(token)
	return err == nil
}

func wantCode(t *testing.T, what string, err error, want fault.Code) {
	t.Helper()
	if !fault.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

func wantReason(t *testing.T, what string, err error, want string) {
	t.Helper()
	if fault.ReasonOf(err) != want {
		t.Errorf("%s: got %v, want the reason %s", what, err, want)
	}
}

// atOnce does f n times at once.
func atOnce(n int, f func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { f(i) })
	}
	all.Wait()
}

func pass(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
}

func background() context.Context { return context.Background() }
