package login_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/kernel/login"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/auth"
	"github.com/hansom-platform/hansom/platform/platformtest"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
	etapb "github.com/hansom-platform/hansom/proto/taxi/eta"
	"github.com/hansom-platform/hansom/store"
	"github.com/hansom-platform/hansom/store/memstore"
)

const password = "a rather long pass phrase"

// environment is a platform in memory whose identities come from kernel.login.
type environment struct {
	*platformtest.Env
	t      *testing.T
	store  *store.Store
	config login.Config
	first  *platform.Service // instance of login
	client *loginpb.LoginClient
	admin  login.Session
}

// inEnvironment runs a test in virtual time, with one login instance and one administrator, "root".
func inEnvironment(t *testing.T, f func(t *testing.T, e *environment)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e := &environment{
			t: t, store: store.New(memstore.New()),
			config: login.Config{Environment: "local", Key: []byte("0123456789abcdef0123456789abcdef"), Hash: login.HashParams{MemoryKiB: 8, Passes: 1}},
		}
		seed := login.Seed{Users: []login.SeedUser{{Application: "admin", Identifiers: []string{"root"}, Password: password, Roles: []string{"ADMIN"}}}}
		if _, err := login.Bootstrap(t.Context(), e.store, e.config, seed); err != nil {
			t.Fatal(err)
		}
		identities, err := login.NewIdentities(t.Context(), e.store, e.config)
		if err != nil {
			t.Fatal(err)
		}
		e.Env = platformtest.New(t, platformtest.WithIdentities(identities))
		e.first = e.start()
		e.client = loginpb.NewLoginClient(platform.NewClient(platform.Operator, e.Bus(platformtest.Local), platform.Logger(e.Logger())))
		if e.admin, err = login.OpenSession(t.Context(), e.store, e.config, "admin", "root", "cli"); err != nil {
			t.Fatal(err)
		}
		f(t, e)
	})
}

// start starts an instance of login.
func (e *environment) start() *platform.Service {
	e.t.Helper()
	svc := login.New(e.store, e.config, platform.Logger(e.Logger()), platform.Place(platformtest.Local))
	e.Start(svc)
	return svc
}

// root is a context of the administrator.
func (e *environment) root() context.Context {
	return platform.WithToken(e.t.Context(), e.admin.Token)
}

// customer makes a customer and logs them in.
func (e *environment) customer(name string, roles ...string) *loginpb.AuthenticateResponse {
	e.t.Helper()
	_, err := e.client.CreateUser(e.root(), &loginpb.CreateUserRequest{Application: "customer", Identifiers: []string{name}, Password: password, Roles: roles})
	if err != nil {
		e.t.Fatalf("create %s: %v", name, err)
	}
	return e.logIn(name)
}

func (e *environment) logIn(name string) *loginpb.AuthenticateResponse {
	e.t.Helper()
	r, err := e.client.Authenticate(e.t.Context(), &loginpb.AuthenticateRequest{Application: "customer", Identifier: name, Password: password})
	if err != nil {
		e.t.Fatalf("log in as %s: %v", name, err)
	}
	return r
}

// enrol returns a credential of a service.
func (e *environment) enrol(service string, revokeEarlier bool) *auth.Credential {
	e.t.Helper()
	r, err := e.client.Enrol(e.root(), &loginpb.EnrolRequest{Service: service, ValidFor: durationpb.New(time.Hour * 24), RevokeEarlier: revokeEarlier})
	if err != nil {
		e.t.Fatalf("enrol %s: %v", service, err)
	}
	var c auth.Credential
	if err := json.Unmarshal(r.GetCredential(), &c); err != nil {
		e.t.Fatalf("the credential of %s: %v", service, err)
	}
	return &c
}

// as is a context of whoever holds a token.
func (e *environment) as(token string) context.Context {
	return platform.WithToken(e.t.Context(), token)
}

// eta starts core.eta, which customers may call, with a credential, so that it knows only what login tells it over the bus.
func (e *environment) eta(c *auth.Credential) *platform.Service {
	e.t.Helper()
	svc := platform.New("core.eta", platform.Credential(c), platform.Logger(e.Logger()), platform.Place(platformtest.Local))
	endpoint := *etapb.EtaEstimate
	endpoint.Roles = []string{"CUSTOMER"}
	svc.Handle(&endpoint, func(context.Context, proto.Message) (proto.Message, error) { return &etapb.EstimateResponse{}, nil })
	e.Start(svc)
	return svc
}

// await waits until a condition holds and fails after a limit of virtual time. It returns how long it took.
func (e *environment) await(limit time.Duration, what string, holds func() bool) time.Duration {
	e.t.Helper()
	start := time.Now()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		if time.Since(start) > limit {
			e.t.Fatalf("want %s within %v; it did not happen", what, limit)
		}
		<-tick.C
	}
	return time.Since(start)
}

func wantCode(t *testing.T, what string, err error, want fault.Code) {
	t.Helper()
	if !fault.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

func TestEndedSessionStopsWorkingEverywhereWithinASecond(t *testing.T) {
	inEnvironment(t, func(t *testing.T, e *environment) {
		sibling := e.start()
		credential := e.enrol("core.eta", false)
		services := []*platform.Service{e.eta(credential), e.eta(credential)}
		ada := e.customer("ada", "CUSTOMER")
		estimate := func(s *platform.Service) error {
			_, err := etapb.NewEtaClient(e.anonymous()).Estimate(platform.To(e.as(ada.GetToken()), s.ID()), &etapb.EstimateRequest{})
			return err
		}
		for _, s := range services {
			if err := estimate(s); err != nil {
				t.Fatalf("before the session is ended: %v", err)
			}
		}
		ctx := platform.To(t.Context(), sibling.ID())
		if r, err := e.client.EndSessions(ctx, &loginpb.EndSessionsRequest{SessionId: ada.GetSessionId()}); err != nil || r.GetEnded() != 1 {
			t.Fatalf("end the session: %v, %v", r, err)
		}
		took := e.await(time.Second, "both instances to refuse the token", func() bool {
			return fault.Is(estimate(services[0]), fault.Unauthorized) && fault.Is(estimate(services[1]), fault.Unauthorized)
		})
		t.Logf("refused everywhere after %v", took)
	})
}

// anonymous is a client that proves nothing by itself.
func (e *environment) anonymous() *platform.Client {
	return platform.NewClient(platform.Operator, e.Bus(platformtest.Local), platform.Logger(e.Logger()))
}

func TestWhoMayCallWhat(t *testing.T) {
	inEnvironment(t, func(t *testing.T, e *environment) {
		e.eta(e.enrol("core.eta", false))
		call := func(ctx context.Context) error {
			_, err := etapb.NewEtaClient(e.anonymous()).Estimate(ctx, &etapb.EstimateRequest{})
			return err
		}
		wantCode(t, "without a token", call(t.Context()), fault.Unauthorized)
		wantCode(t, "with another role", call(e.as(e.customer("dan", "DRIVER").GetToken())), fault.Forbidden)
		for name, token := range map[string]string{"with the role": e.customer("ada", "CUSTOMER").GetToken(), "as an administrator": e.admin.Token} {
			if err := call(e.as(token)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestGrantsComeAndGo(t *testing.T) {
	inEnvironment(t, func(t *testing.T, e *environment) {
		target := e.eta(e.enrol("core.eta", false))
		caller := platform.New("orchestration.tow", platform.Credential(e.enrol("orchestration.tow", false)), platform.Logger(e.Logger()), platform.Place(platformtest.Local))
		e.Start(caller)
		call := func() error {
			_, err := etapb.NewEtaClient(caller).Estimate(platform.To(t.Context(), target.ID()), &etapb.EstimateRequest{})
			return err
		}
		wantCode(t, "before the grant", call(), fault.Forbidden)
		grant := &loginpb.SetGrantRequest{Service: "core.eta", Endpoint: "estimate", Caller: "orchestration.tow"}
		if _, err := e.client.SetGrant(e.root(), grant); err != nil {
			t.Fatal(err)
		}
		e.await(time.Second, "the call to be let in", func() bool { return call() == nil })
		if _, err := e.client.RemoveGrant(e.root(), &loginpb.RemoveGrantRequest{Service: "core.eta", Endpoint: "estimate", Caller: "orchestration.tow"}); err != nil {
			t.Fatal(err)
		}
		e.await(time.Second, "the call to be refused", func() bool { return fault.Is(call(), fault.Forbidden) })
	})
}

func TestRevokedCredentialIsNotAccepted(t *testing.T) {
	inEnvironment(t, func(t *testing.T, e *environment) {
		old := e.enrol("core.eta", false)
		wait(time.Second)
		fresh := e.enrol("core.eta", true)
		_, err := e.client.Identify(platform.To(t.Context(), e.first.ID()), &loginpb.IdentifyRequest{Assertion: e.assertion(old, "core.eta-1"), Audiences: []string{"kernel.config"}})
		wantCode(t, "identify with the revoked credential", err, fault.Unauthorized)
		if _, err := e.client.Identify(platform.To(t.Context(), e.first.ID()), &loginpb.IdentifyRequest{Assertion: e.assertion(fresh, "core.eta-1")}); err != nil {
			t.Errorf("identify with the new credential: %v", err)
		}
	})
}

func (e *environment) assertion(c *auth.Credential, instance string) string {
	e.t.Helper()
	text, err := c.Assertion(instance, e.first.ID())
	if err != nil {
		e.t.Fatal(err)
	}
	return text
}

func TestIdentify(t *testing.T) {
	inEnvironment(t, func(t *testing.T, e *environment) {
		credential := e.enrol("core.eta", false)
		identify := func(assertion string, audiences ...string) (*loginpb.IdentifyResponse, error) {
			return e.client.Identify(platform.To(t.Context(), e.first.ID()), &loginpb.IdentifyRequest{Assertion: assertion, Audiences: audiences})
		}
		good := e.assertion(credential, "core.eta-1")
		r, err := identify(good, "core.routing", "kernel.config")
		if err != nil || len(r.GetTokens()) != 2 || r.GetTokens()[1].GetAudience() != "kernel.config" {
			t.Fatalf("identify: %v, %v; want tokens for both audiences in order", r, err)
		}
		v := auth.NewVerifier(credential.Root, "local")
		if err := v.SetKeys(r.GetKeys()); err != nil {
			t.Fatal(err)
		}
		who, err := v.Identity(r.GetTokens()[0].GetToken(), "core.routing")
		if err != nil || who.Service != "core.eta" || who.Instance != "core.eta-1" {
			t.Errorf("the token is of %+v, %v", who, err)
		}
		_, err = identify(good, "core.routing")
		wantCode(t, "the same assertion again", err, fault.Unauthorized)
		other, err := credential.Assertion("core.eta-1", "kernel.login-other")
		if err != nil {
			t.Fatal(err)
		}
		_, err = identify(other)
		wantCode(t, "an assertion for another instance of login", err, fault.Unauthorized)
		_, err = identify(e.assertion(credential, "core.billing-1"), "core.routing")
		wantCode(t, "an instance of another service", err, fault.Unauthorized)
		_, err = identify(e.assertion(credential, "core.eta-1"), "not a service")
		wantCode(t, "an audience that is none", err, fault.BadRequest)
		foreign, err := auth.NewRoot("local", []byte("ffffffffffffffffffffffffffffffff"))
		if err != nil {
			t.Fatal(err)
		}
		forged, err := foreign.Enrol("core.eta", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		_, err = identify(e.assertion(&forged, "core.eta-1"))
		wantCode(t, "a credential of another root", err, fault.Unauthorized)
	})
}

func TestGrantsThatAreRefused(t *testing.T) {
	inEnvironment(t, func(t *testing.T, e *environment) {
		for name, g := range map[string]*loginpb.SetGrantRequest{
			"to the gateway":    {Service: "core.eta", Endpoint: "estimate", Caller: "api.gateway"},
			"mastery":           {Service: "kernel.login", Endpoint: "setgrant", Caller: "core.billing"},
			"mastery of all":    {Service: "kernel.login", Endpoint: "*", Caller: "core.billing"},
			"upward":            {Service: "api.v1.customer", Endpoint: "neardrivers", Caller: "core.eta"},
			"to no service":     {Service: "core.eta", Endpoint: "estimate", Caller: "eta"},
			"of no service":     {Service: "*", Endpoint: "estimate", Caller: "core.eta"},
			"of no endpoint":    {Service: "core.eta", Endpoint: "Esti/mate", Caller: "core.eta"},
			"of an empty name":  {Service: "core.eta", Caller: "core.eta"},
			"of a part pattern": {Service: "core.eta", Endpoint: "est*", Caller: "core.eta"},
		} {
			_, err := e.client.SetGrant(e.root(), g)
			wantCode(t, name, err, fault.BadRequest)
		}
		for _, g := range []*loginpb.SetGrantRequest{
			{Service: "core.eta", Endpoint: "*", Caller: "orchestration.tow"}, {Service: "core.routing", Endpoint: "route", Caller: "core.eta"},
		} {
			if _, err := e.client.SetGrant(e.root(), g); err != nil {
				t.Errorf("grant %v: %v", g, err)
			}
		}
		for _, c := range []struct {
			service, caller string
			want            int
		}{{"", "", 2}, {"core.eta", "", 1}, {"", "core.eta", 1}, {"core.eta", "core.eta", 0}} {
			r, err := e.client.Grants(e.root(), &loginpb.GrantsRequest{Service: c.service, Caller: c.caller})
			if err != nil || len(r.GetGrants()) != c.want {
				t.Errorf("grants of %q to %q: %v, %v; want %d", c.service, c.caller, r.GetGrants(), err, c.want)
			}
		}
	})
}

func TestSessionsAreOnesOwn(t *testing.T) {
	inEnvironment(t, func(t *testing.T, e *environment) {
		ada, eve := e.customer("ada"), e.customer("eve")
		r, err := e.client.Sessions(e.as(ada.GetToken()), &loginpb.SessionsRequest{})
		if err != nil || len(r.GetSessions()) != 1 {
			t.Fatalf("own sessions: %v, %v; want 1", r, err)
		}
		adas := r.GetSessions()[0].GetId()
		_, err = e.client.Sessions(e.as(eve.GetToken()), &loginpb.SessionsRequest{Application: "customer", User: "ada"})
		wantCode(t, "list somebody else's", err, fault.Forbidden)
		_, err = e.client.Sessions(t.Context(), &loginpb.SessionsRequest{Application: "customer", User: "ada"})
		wantCode(t, "list somebody's as nobody", err, fault.Forbidden)
		_, err = e.client.EndSessions(e.as(eve.GetToken()), &loginpb.EndSessionsRequest{Session: adas})
		wantCode(t, "end somebody else's", err, fault.Forbidden)
		_, err = e.client.EndSessions(e.as(eve.GetToken()), &loginpb.EndSessionsRequest{Application: "customer", User: ada.GetUser().GetId()})
		wantCode(t, "end all of somebody else", err, fault.Forbidden)
		if r, err := e.client.EndSessions(e.root(), &loginpb.EndSessionsRequest{Application: "customer", User: "ada", Reason: "lost phone"}); err != nil || r.GetEnded() != 1 {
			t.Errorf("an administrator ends them: %v, %v; want 1", r, err)
		}
		if r, err := e.client.EndSessions(e.as(eve.GetToken()), &loginpb.EndSessionsRequest{Session: "s-none"}); err != nil || r.GetEnded() != 0 {
			t.Errorf("end what is not there: %v, %v; want 0", r, err)
		}
	})
}

func TestAuthAs(t *testing.T) {
	inEnvironment(t, func(t *testing.T, e *environment) {
		e.eta(e.enrol("core.eta", false))
		ada := e.customer("ada", "CUSTOMER")
		request := &loginpb.AuthAsRequest{Application: "customer", User: "ada"}
		_, err := e.client.AuthAs(e.root(), request)
		wantCode(t, "without a reason", err, fault.BadRequest)
		request.Reason = "ticket 4711"
		_, err = e.client.AuthAs(e.as(ada.GetToken()), request)
		wantCode(t, "as a customer", err, fault.Forbidden)
		_, err = e.client.AuthAs(e.root(), &loginpb.AuthAsRequest{Application: "admin", User: "root", Reason: "x"})
		wantCode(t, "as an administrator", err, fault.Forbidden)
		r, err := e.client.AuthAs(e.root(), request)
		if err != nil {
			t.Fatal(err)
		}
		if life := time.Until(r.GetExpires().AsTime()); life > time.Hour || life < 59*time.Minute {
			t.Errorf("the session lives %v, want an hour", life)
		}
		if x, err := e.client.Exchange(t.Context(), &loginpb.ExchangeRequest{SessionId: r.GetSessionId()}); err != nil || x.GetRenewAfter() != nil {
			t.Errorf("exchange: renewed after %v, %v; want never", x.GetRenewAfter(), err)
		}
		who, err := e.first.Verifier().User(r.GetToken())
		if err != nil || who.ID != ada.GetUser().GetId() || who.Actor != e.admin.User.GetId() || who.Has("ADMIN") {
			t.Errorf("the token is of %+v, %v; want the customer, with the administrator as actor", who, err)
		}
		if x, err := e.client.Exchange(t.Context(), &loginpb.ExchangeRequest{SessionId: ada.GetSessionId()}); err != nil || x.GetToken() != ada.GetToken() {
			t.Errorf("the user's own session: %v; want it as it was", err)
		}
		for _, subject := range []string{ada.GetUser().GetId(), e.admin.User.GetId()} {
			if !e.audited(subject, "authas", "ok") {
				t.Errorf("the audit log of %s does not have it", subject)
			}
		}
	})
}

// audited reports whether the log of a subject has an action with an outcome.
func (e *environment) audited(subject, action, outcome string) bool {
	e.t.Helper()
	r, err := e.client.Audit(e.root(), &loginpb.AuditRequest{Subject: subject, Limit: 1000})
	if err != nil {
		e.t.Fatal(err)
	}
	for _, record := range r.GetRecords() {
		if record.GetAction() == action && record.GetOutcome() == outcome {
			return true
		}
	}
	return false
}

func TestAuditLogHasEverything(t *testing.T) {
	inEnvironment(t, func(t *testing.T, e *environment) {
		ada := e.customer("ada")
		id, root := ada.GetUser().GetId(), e.admin.User.GetId()
		wrong := &loginpb.AuthenticateRequest{Application: "customer", Identifier: "ada", Password: "wrong", Source: "192.0.2.1"}
		for range 7 {
			_, _ = e.client.Authenticate(t.Context(), wrong)
		}
		_, _ = e.client.UpdateUser(e.root(), &loginpb.UpdateUserRequest{Application: "customer", User: id, SetRoles: true, Roles: []string{"VIP"}})
		_, _ = e.client.UpdateUser(e.root(), &loginpb.UpdateUserRequest{Application: "admin", User: root, SetRoles: true})
		_, _ = e.client.RotateKey(e.root(), &loginpb.RotateKeyRequest{})
		_, _ = e.client.EndSessions(e.root(), &loginpb.EndSessionsRequest{Application: "customer", User: id})
		_, _ = e.client.SetGrant(e.root(), &loginpb.SetGrantRequest{Service: "core.eta", Endpoint: "estimate", Caller: "api.gateway"})
		_, _ = e.client.Identify(platform.To(t.Context(), e.first.ID()), &loginpb.IdentifyRequest{Assertion: "x"})
		e.enrol("core.eta", false)
		for _, c := range []struct{ subject, action, outcome string }{
			{id, "authenticate", "ok"},
			{"", "authenticate", "kernel.login.wrong"},
			{"", "authenticate", "kernel.login.throttled"},
			{id, "user.create", "ok"},
			{id, "user.update", "ok"},
			{root, "user.update", "kernel.login.self"},
			{root, "key.rotate", "ok"},
			{id, "session.end", "ok"},
			{root, "session.open", "ok"},
			{"api.gateway", "grant.set", "kernel.login.grant.gateway"},
			{"", "identify", "platform.unauthorized.malformed"},
			{"core.eta", "enrol", "ok"},
		} {
			if !e.audited(c.subject, c.action, c.outcome) {
				t.Errorf("the log of %q has no %s with the outcome %s", c.subject, c.action, c.outcome)
			}
		}
	})
}

func wait(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
}

func TestChangePasswordEndsOtherSessions(t *testing.T) {
	inEnvironment(t, func(t *testing.T, e *environment) {
		ada := e.customer("ada")
		other, err := e.client.Authenticate(t.Context(), &loginpb.AuthenticateRequest{Application: "customer", Identifier: "ada", Password: password, DeviceType: "ios"})
		if err != nil {
			t.Fatal(err)
		}
		change := &loginpb.ChangePasswordRequest{Application: "customer", Identifier: "ada", OldPassword: "wrong", NewPassword: "another good password"}
		_, err = e.client.ChangePassword(e.as(ada.GetToken()), change)
		wantCode(t, "with a wrong old password", err, fault.Unauthorized)
		change.OldPassword, change.NewPassword = password, "short"
		_, err = e.client.ChangePassword(e.as(ada.GetToken()), change)
		wantCode(t, "to one that is too short", err, fault.BadRequest)
		change.NewPassword = "another good password"
		if _, err := e.client.ChangePassword(e.as(ada.GetToken()), change); err != nil {
			t.Fatal(err)
		}
		if _, err := e.client.Exchange(t.Context(), &loginpb.ExchangeRequest{SessionId: ada.GetSessionId()}); err != nil {
			t.Errorf("the session that changed it: %v", err)
		}
		_, err = e.client.Exchange(t.Context(), &loginpb.ExchangeRequest{SessionId: other.GetSessionId()})
		wantCode(t, "the other session", err, fault.Unauthorized)
	})
}

func TestKnownDeviceOfALoginGetsPastALockOut(t *testing.T) {
	inEnvironment(t, func(t *testing.T, e *environment) {
		ada := e.customer("ada")
		request := &loginpb.AuthenticateRequest{Application: "customer", Identifier: "ada", Password: "wrong", Source: "192.0.2.1"}
		for range 6 {
			_, _ = e.client.Authenticate(t.Context(), request)
		}
		request.Password = password
		_, err := e.client.Authenticate(t.Context(), request)
		wantCode(t, "a stranger with the right password", err, fault.Throttled)
		request.KnownDevice = ada.GetKnownDevice()
		r, err := e.client.Authenticate(t.Context(), request)
		if err != nil || r.GetKnownDevice() != ada.GetKnownDevice() {
			t.Errorf("the known device: %q, %v; want it to be let in, and to stay %q", r.GetKnownDevice(), err, ada.GetKnownDevice())
		}
	})
}

func TestOnlyAdministratorsManage(t *testing.T) {
	inEnvironment(t, func(t *testing.T, e *environment) {
		ada := e.as(e.customer("ada", "CUSTOMER").GetToken())
		for name, call := range map[string]func() error{
			"create a user": func() error { _, err := e.client.CreateUser(ada, &loginpb.CreateUserRequest{}); return err },
			"update a user": func() error { _, err := e.client.UpdateUser(ada, &loginpb.UpdateUserRequest{}); return err },
			"delete a user": func() error { _, err := e.client.DeleteUser(ada, &loginpb.DeleteUserRequest{}); return err },
			"list users":    func() error { _, err := e.client.Users(ada, &loginpb.UsersRequest{}); return err },
			"grant":         func() error { _, err := e.client.SetGrant(ada, &loginpb.SetGrantRequest{}); return err },
			"enrol":         func() error { _, err := e.client.Enrol(ada, &loginpb.EnrolRequest{}); return err },
			"rotate":        func() error { _, err := e.client.RotateKey(ada, &loginpb.RotateKeyRequest{}); return err },
			"read the log":  func() error { _, err := e.client.Audit(ada, &loginpb.AuditRequest{}); return err },
		} {
			wantCode(t, name, call(), fault.Forbidden)
		}
	})
}

// A user that calls over /rpc may say what address it likes: its guesses count as its own.
func TestSourceIsNotTheCallersWord(t *testing.T) {
	inEnvironment(t, func(t *testing.T, e *environment) {
		throttled := 0
		for i := range 60 {
			_, err := e.client.Authenticate(e.root(), &loginpb.AuthenticateRequest{
				Application: "customer", Identifier: fmt.Sprintf("nobody%d", i), Password: "wrong", Source: fmt.Sprintf("192.0.2.%d", i),
			})
			if fault.Is(err, fault.Throttled) {
				throttled++
			}
		}
		if throttled < 9 { // 50 from one source are free
			t.Errorf("%d of %d guesses under ever new addresses were throttled, want at least 9", throttled, 60)
		}
	})
}
