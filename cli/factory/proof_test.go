package factory

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hansom-platform/hansom/app"
	"github.com/hansom-platform/hansom/fault"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
	"github.com/hansom-platform/hansom/proto/rpc"
)

const busURL = "nats://u:p@127.0.0.1:4222"

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// world is a kernel.login that knows some sessions, and a home folder.
type world struct {
	t    *testing.T
	f    *Factory
	err  bytes.Buffer
	env  map[string]string
	data string

	mu       sync.Mutex
	sessions map[string]time.Time // secret to end
	passwd   string
	down     bool
	logins   []*loginpb.AuthenticateRequest
	asked    []string // sessions
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, env: map[string]string{"HOME": t.TempDir()}, data: t.TempDir(), sessions: map[string]time.Time{}, passwd: "secret"}
	w.f = &Factory{Err: &w.err, Env: func(name string) string { return w.env[name] }, Now: func() time.Time { return noon }}
	return w
}

// Call implements rpc.Caller.
func (w *world) Call(_ context.Context, _ *rpc.Endpoint, request, response proto.Message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		return fault.New(fault.NoRoute, "bus.no_route", "nobody is there")
	}
	switch r := request.(type) {
	case *loginpb.ExchangeRequest:
		w.asked = append(w.asked, r.GetSessionId())
		end, ok := w.sessions[r.GetSessionId()]
		if !ok {
			return fault.New(fault.Unauthorized, "kernel.login.session", "there is no such session")
		}
		proto.Merge(response, &loginpb.ExchangeResponse{Token: "token of " + r.GetSessionId(), Expires: timestamppb.New(end)})
	case *loginpb.AuthenticateRequest:
		w.logins = append(w.logins, r)
		if r.GetPassword() != w.passwd {
			return fault.New(fault.Unauthorized, "kernel.login.password", "name or password are wrong")
		}
		id := fmt.Sprintf("login %d", len(w.logins))
		w.sessions[id] = noon.Add(8 * time.Hour)
		proto.Merge(response, &loginpb.AuthenticateResponse{
			SessionId: id, Token: "token of " + id, Expires: timestamppb.New(w.sessions[id]), KnownDevice: "device of " + r.GetIdentifier(),
		})
	default:
		w.t.Errorf("unexpected request %T", request)
	}
	return nil
}

// live makes sessions good.
func (w *world) live(sessions ...string) {
	for _, s := range sessions {
		w.sessions[s] = noon.Add(8 * time.Hour)
	}
}

func (w *world) admin(a app.Admin) {
	w.t.Helper()
	a.Bus = busURL
	data, err := json.Marshal(a)
	if err == nil {
		err = os.WriteFile(filepath.Join(w.data, "admin.json"), data, 0o600)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) save(session string, end time.Time) {
	w.t.Helper()
	if err := w.f.changeSaves(func(all *saves) error {
		all.Sessions["local 127.0.0.1:4222"] = Saved{Session: session, Token: "kept token", Expires: end, Identifier: "ada"}
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) prover(c Connection) *prover {
	c.Data = w.data
	return w.f.prover(c, busURL, loginpb.NewLoginClient(w))
}

func (w *world) want(c Connection, token string) Proof {
	w.t.Helper()
	proof, err := w.prover(c).prove(w.t.Context())
	if err != nil || proof.Token != token {
		w.t.Errorf("want %q, got %q from %s, %v", token, proof.Token, proof.Source, err)
	}
	return proof
}

func TestTheFirstKindOfSessionThatThereIsCounts(t *testing.T) {
	w := newWorld(t)
	w.live("flag", "environment", "saved", "admin")
	w.want(Connection{}, "") // nobody
	w.admin(app.Admin{User: "root", Password: "secret", Session: "admin"})
	w.want(Connection{}, "token of admin")
	w.save("saved", noon.Add(time.Hour))
	w.want(Connection{}, "token of saved")
	w.env["HANSOM_SESSION"] = "environment"
	w.want(Connection{}, "token of environment")
	w.want(Connection{Session: "flag"}, "token of flag")
	if len(w.logins) > 0 {
		t.Errorf("want no login by password, got %v", w.logins)
	}
}

func TestASessionThatIsGivenIsNotReplaced(t *testing.T) {
	w := newWorld(t)
	w.live("admin")
	w.admin(app.Admin{Session: "admin"})
	_, err := w.prover(Connection{Session: "gone"}).prove(t.Context())
	if !fault.Is(err, fault.Unauthorized) || !strings.Contains(err.Error(), "from --session is not good") {
		t.Errorf("want UNAUTHORIZED that names --session, got %v", err)
	}
}

func TestASavedSessionThatEndedIsForgottenAndTold(t *testing.T) {
	w := newWorld(t)
	w.live("admin")
	w.admin(app.Admin{User: "root", Session: "admin"})
	w.save("gone", noon.Add(time.Hour))
	w.want(Connection{}, "token of admin")
	if want := "the session of ada has ended; going on as root of " + w.data + "/admin.json\n"; w.err.String() != want {
		t.Errorf("want %q on standard error, got %q", want, w.err.String())
	}
	w.err.Reset()
	w.want(Connection{}, "token of admin")
	if w.err.Len() > 0 {
		t.Errorf("want it told once, got again %q", w.err.String())
	}
}

func TestTheAdministratorsPasswordOpensASessionOnce(t *testing.T) {
	w := newWorld(t)
	w.admin(app.Admin{User: "root", Password: "secret", Session: "gone"})
	var all sync.WaitGroup
	for range 8 {
		p := w.prover(Connection{})
		all.Go(func() {
			if proof, err := p.prove(context.Background()); err != nil || proof.Token != "token of login 1" {
				t.Errorf("want the token of login 1, got %q, %v", proof.Token, err)
			}
		})
	}
	all.Wait()
	if len(w.logins) != 1 || w.logins[0].GetApplication() != "admin" || w.logins[0].GetDeviceType() != "cli" {
		t.Errorf("want one login as admin on a cli, got %v", w.logins)
	}
	path, _ := w.f.sessionFile()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("want %s with mode 0600, got %v, %v", path, info, err)
	}
}

func TestAPasswordThatIsNoLongerGoodIsToldWithItsPlace(t *testing.T) {
	w := newWorld(t)
	w.admin(app.Admin{User: "root", Password: "old"})
	_, err := w.prover(Connection{}).prove(t.Context())
	if err == nil || !strings.Contains(err.Error(), "log in as root with the password in "+w.data+"/admin.json") {
		t.Errorf("want an error that names the file, got %v", err)
	}
}

func TestADeviceIsKnownTheNextTime(t *testing.T) {
	w := newWorld(t)
	s := &Session{prover: w.prover(Connection{})}
	for range 2 {
		if _, err := s.LogIn(t.Context(), Credentials{"customer", "bob", "secret", "cli"}); err != nil {
			t.Fatal(err)
		}
	}
	if first, second := w.logins[0].GetKnownDevice(), w.logins[1].GetKnownDevice(); first != "" || second != "device of bob" {
		t.Errorf(`want no device and then "device of bob", got %q and %q`, first, second)
	}
	w.want(Connection{}, "") // a customer's session is not the operator's
}

func TestWithoutLoginTheLastTokenIsUsedWhileItLives(t *testing.T) {
	w := newWorld(t)
	w.down = true
	w.save("saved", noon.Add(time.Hour))
	w.want(Connection{}, "kept token")
	w.save("saved", noon.Add(time.Second))
	w.want(Connection{}, "")
	if !strings.Contains(w.err.String(), "kernel.login does not answer") {
		t.Errorf("want a warning, got %q", w.err.String())
	}
}

func TestAnAdministratorOfAnotherPlatformIsNotUsed(t *testing.T) {
	w := newWorld(t)
	w.live("admin")
	w.admin(app.Admin{Session: "admin"})
	proof, err := w.f.prover(Connection{Data: w.data}, "nats://u:p@127.0.0.1:9999", loginpb.NewLoginClient(w)).prove(t.Context())
	if err != nil || proof.Token != "" || len(w.asked) > 0 {
		t.Errorf("want no proof and nothing asked, got %v, %v, asked %q", proof, err, w.asked)
	}
}

func TestATokenIsKeptUntilItEnds(t *testing.T) {
	w := newWorld(t)
	w.live("flag")
	now := noon
	w.f.Now = func() time.Time { return now }
	p := w.prover(Connection{Session: "flag"})
	for _, at := range []time.Duration{0, time.Hour, 7 * time.Hour, 8 * time.Hour} {
		now = noon.Add(at)
		if token, err := p.token(t.Context()); err != nil || token == "" {
			t.Fatalf("after %s: %q, %v", at, token, err)
		}
	}
	if len(w.asked) != 2 {
		t.Errorf("want it exchanged at the start and after 8 h, got %d times", len(w.asked))
	}
}

func TestClaimsOfAToken(t *testing.T) {
	// {"iss":"local","sub":"u-1","app":"admin","sid":"s-1","dev":"cli","roles":["ADMIN"],"exp":1795501542,"act":{"sub":"u-2"}}
	const claims = "eyJpc3MiOiJsb2NhbCIsInN1YiI6InUtMSIsImFwcCI6ImFkbWluIiwic2lkIjoicy0xIiwiZGV2IjoiY2xpIiwicm9sZXMiOlsiQURNSU4iXSwiZXhwIjoxNzk1NTAxNTQyLCJhY3QiOnsic3ViIjoidS0yIn19"
	u, err := Claims("e30." + claims + ".c2ln")
	if err != nil || u.ID != "u-1" || u.Application != "admin" || u.Session != "s-1" || u.Actor != "u-2" || len(u.Roles) != 1 || u.Expires.Unix() != 1795501542 {
		t.Errorf("got %+v, %v", u, err)
	}
	for _, bad := range []string{"", "a.b", "a.b.c.d", "e30.???.c2ln", "e30.e30x.c2ln"} {
		if u, err := Claims(bad); err == nil {
			t.Errorf("%q: want an error, got %+v", bad, u)
		}
	}
}
