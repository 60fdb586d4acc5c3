package services

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/auth"
	"github.com/hansom-platform/hansom/platform/platformtest"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
	profilepb "github.com/hansom-platform/hansom/proto/taxi/profile"
	statepb "github.com/hansom-platform/hansom/proto/taxi/state"
)

// login stands in for kernel.login: everybody's password is "secret".
type login struct {
	mu     sync.Mutex
	opened int
	open   map[string]string // session by application and identifier
	last   *loginpb.AuthenticateRequest
}

func serveLogin(env *platformtest.Env) *login {
	l := &login{open: map[string]string{}}
	platformtest.Fake(env, loginpb.LoginAuthenticate, l.authenticate)
	platformtest.Fake(env, loginpb.LoginEndSessions, l.end)
	return l
}

func (l *login) authenticate(_ context.Context, r *loginpb.AuthenticateRequest) (*loginpb.AuthenticateResponse, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opened, l.last = l.opened+1, r
	if r.GetPassword() != "secret" {
		return nil, fault.New(fault.Unauthorized, "kernel.login.denied", "the identifier or the password is wrong")
	}
	session := fmt.Sprint("session-of-", r.GetApplication(), "-", r.GetIdentifier())
	l.open[r.GetApplication()+"/"+r.GetIdentifier()] = session
	return &loginpb.AuthenticateResponse{SessionId: session, Expires: timestamppb.New(time.Now().Add(time.Hour)), KnownDevice: "known"}, nil
}

func (l *login) end(ctx context.Context, r *loginpb.EndSessionsRequest) (*loginpb.EndSessionsResponse, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	user, ok := platform.UserOf(ctx)
	if !ok || r.GetSession() != user.Session {
		return nil, fault.New(fault.Forbidden, "kernel.login.denied", "not yours")
	}
	delete(l.open, user.Application+"/"+user.ID)
	return &loginpb.EndSessionsResponse{Ended: 1}, nil
}

// edge does what the thin API does with a session, for an http.Client.
type edge struct {
	env *platformtest.Env
	api *platformtest.HTTP
}

func (e *edge) RoundTrip(r *http.Request) (*http.Response, error) {
	session, signedIn := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer session-of-")
	if signedIn {
		application, id, _ := strings.Cut(session, "-")
		token := e.env.Token(auth.User{ID: id, Application: application, Roles: []string{strings.ToUpper(id)}})
		r = r.WithContext(platform.WithToken(r.Context(), token))
	}
	return e.api.RoundTrip(r)
}

func TestNearDriversAreForCustomers(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		start(env)
		app := env.HTTP("api.v1.customer")
		wantProblem(t, app.Get(t.Context(), charingCross), 401, "platform.unauthorized.anonymous")
		wantProblem(t, app.Get(asDriver(t, env, "d1"), charingCross), 403, "platform.forbidden.role")
		if w := app.Get(asCustomer(t, env), charingCross); w.Code != http.StatusOK {
			t.Errorf("with a customer's session: want 200, got %d %s", w.Code, w.Body)
		}
		if w := app.Get(t.Context(), "/v1/customer/city?city=LON"); w.Code != http.StatusOK {
			t.Errorf("the city, without a session: want 200, got %d %s", w.Code, w.Body)
		}
	})
}

const here = `{%s"city": "LON", "lat": 51.5074, "lng": -0.1278, "available": true}`

func TestADriverActsForItselfOnly(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		start(env)
		phone := env.HTTP("api.v1.driver")
		itself, other := fmt.Sprintf(here, ""), fmt.Sprintf(here, `"driver_id": "d2", `)
		d1, fleet, nobody, customer := asDriver(t, env, "d1"), asFleet(t, env), t.Context(), asCustomer(t, env)
		profile := `{"driver_id": "d2", "name": "Ada", "vehicle": "Black cab", "plate": "LX26 ABC"}`

		want204(t, phone.Post(d1, "/v1/driver/point", itself))
		want204(t, phone.Post(d1, "/v1/driver/point", fmt.Sprintf(here, `"driver_id": "d1", `)))
		wantProblem(t, phone.Post(d1, "/v1/driver/point", other), 403, "api.v1.driver.other_driver")
		wantProblem(t, put(d1, env, "/v1/driver/profile", profile), 403, "api.v1.driver.other_driver")
		want204(t, put(d1, env, "/v1/driver/profile", `{"name": "Bo", "vehicle": "Saloon", "plate": "LX26 ABD"}`))
		want204(t, phone.Post(fleet, "/v1/driver/point", other))
		want204(t, put(fleet, env, "/v1/driver/profile", profile))
		wantProblem(t, phone.Post(fleet, "/v1/driver/point", itself), 400, "api.v1.missing_field")
		for path, ctx := range map[string]context.Context{"/v1/driver/point": customer} {
			wantProblem(t, phone.Post(ctx, path, itself), 403, "platform.forbidden.role")
			wantProblem(t, phone.Post(nobody, path, itself), 401, "platform.unauthorized.anonymous")
		}
		wantProblem(t, phone.Get(nobody, "/v1/driver/city?city=LON"), 401, "platform.unauthorized.anonymous")
		names := map[string]string{}
		for _, d := range ask(t, env).Drivers {
			names[d.ID] = d.Name
		}
		if names["d1"] != "Bo" || names["d2"] != "Ada" || len(names) != 2 {
			t.Errorf("want d1 called Bo and d2 called Ada, got %v", names)
		}
	})
}

func TestLoggingInAndOut(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		start(env)
		l := serveLogin(env)
		for _, application := range []string{"customer", "driver"} {
			api, path := env.HTTP("api.v1."+application), "/v1/"+application
			w := api.Post(t.Context(), path+"/login", `{"identifier": "ada", "password": "secret", "device_type": "ios", "known_device": "before"}`)
			var opened struct {
				Session string    `json:"session_id"`
				Expires time.Time `json:"expires"`
				Device  string    `json:"known_device"`
			}
			if err := json.Unmarshal(w.Body.Bytes(), &opened); err != nil || w.Code != 200 || opened.Session != "session-of-"+application+"-ada" || opened.Device != "known" || opened.Expires.Before(time.Now()) {
				t.Errorf("%s: want a session, got %d %s", application, w.Code, w.Body)
			}
			if got := w.Header().Get("Cache-Control"); got != "no-store" {
				t.Errorf("%s: Cache-Control %q of an answer with a secret, want no-store", application, got)
			}
			r := l.last
			if r.GetApplication() != application || r.GetDeviceType() != "ios" || r.GetKnownDevice() != "before" || r.GetSource() != "192.0.2.1" {
				t.Errorf("%s: kernel.login was asked %v, want the application, the device and the address 192.0.2.1", application, r)
			}
			wantProblem(t, api.Post(t.Context(), path+"/login", `{"identifier": "ada", "password": "guess"}`), 401, "kernel.login.denied")
			wantProblem(t, api.Post(t.Context(), path+"/login", `{"identifier": "ada"}`), 400, "api.v1.missing_field")
			wantProblem(t, api.Post(t.Context(), path+"/logout", ``), 401, "platform.unauthorized.anonymous")

			user := platform.WithToken(t.Context(), env.Token(auth.User{ID: "ada", Application: application, Roles: []string{strings.ToUpper(application)}}))
			want204(t, api.Post(user, path+"/logout", ``))
			if len(l.open) != 0 {
				t.Errorf("%s: want no session after the logout, got %v", application, l.open)
			}
		}
	})
}

func TestALoginIsNeverRepeated(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		start(env)
		asked := 0
		platformtest.Fake(env, loginpb.LoginAuthenticate, func(context.Context, *loginpb.AuthenticateRequest) (*loginpb.AuthenticateResponse, error) {
			asked++
			return nil, fault.New(fault.Unavailable, "kernel.login.store", "the store is away")
		})
		w := env.HTTP("api.v1.customer").Post(t.Context(), "/v1/customer/login", `{"identifier": "ada", "password": "secret"}`)
		if w.Code != http.StatusServiceUnavailable || asked != 1 {
			t.Errorf("want 503 after one attempt, got %d after %d: %s", w.Code, asked, w.Body)
		}
	})
}

// TestGrantsAreNeeded: who drivers are and where they are is not for every service.
func TestGrantsAreNeeded(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		start(env)
		for caller, allowed := range map[string][]string{
			"api.v1.driver":             {"write", "report"},
			"api.v1.customer":           nil,
			"api.gateway":               nil,
			"orchestration.neardrivers": {"read"},
			"core.profile":              {"dump profiles"},
			"core.state":                {"dump positions"},
		} {
			for what, call := range calls(env.ClientAs(caller)) {
				err := call(t.Context())
				if denied := fault.Is(err, fault.Forbidden) || fault.Is(err, fault.Unauthorized); denied == slices.Contains(allowed, what) {
					t.Errorf("%s: %s: %v, want allowed only %v", caller, what, err, allowed)
				}
			}
		}
	})
}

func calls(c *platform.Client) map[string]func(context.Context) error {
	profiles, state := profilepb.NewProfileClient(c), statepb.NewStateClient(c)
	return map[string]func(context.Context) error{
		"read":           func(ctx context.Context) error { _, err := profiles.Read(ctx, &profilepb.ReadRequest{}); return err },
		"write":          func(ctx context.Context) error { _, err := profiles.Write(ctx, &profilepb.WriteRequest{}); return err },
		"dump profiles":  func(ctx context.Context) error { _, err := profiles.Dump(ctx, &profilepb.DumpRequest{}); return err },
		"report":         func(ctx context.Context) error { _, err := state.Report(ctx, &statepb.ReportRequest{}); return err },
		"dump positions": func(ctx context.Context) error { _, err := state.Dump(ctx, &statepb.DumpRequest{}); return err },
	}
}
