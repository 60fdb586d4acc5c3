package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansom-platform/hansom/fault"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

const (
	mine = "/v1/customer/mine" // for the role CUSTOMER
	ada  = "hs-ada-CUSTOMER"
)

// bubble returns a gateway above the services that runs and does not listen, for tests in
// virtual time.
func bubble(t *testing.T) (*world, *Gateway) {
	t.Helper()
	w := newWorld(t)
	w.run(w.login())
	w.run(w.customer())
	w.run(w.echo())
	g := w.gateway()
	w.run(g.svc)
	return w, g
}

func withSession(session string) *http.Request {
	return request(http.MethodGet, mine, "", headerAuthorization, "Bearer "+session)
}

func wantStatus(t *testing.T, what string, a answer, status int) {
	t.Helper()
	if a.status != status {
		t.Errorf("%s: status %d %s, want %d", what, a.status, a.body, status)
	}
}

func TestWhoMayAsk(t *testing.T) {
	w := newWorld(t)
	g := w.city()
	good := w.token(ada)
	for name, c := range map[string]struct {
		r         *http.Request
		status    int
		challenge string // what WWW-Authenticate contains; "": there is none
	}{
		"no session":             {request("GET", mine, ""), 401, `Bearer realm="hansom"`},
		"a customer's":           {withSession(ada), 200, ""},
		"lower case":             {request("GET", mine, "", headerAuthorization, "bearer  "+ada), 200, ""},
		"in the query":           {request("GET", mine+"?session_id="+ada, ""), 200, ""},
		"a driver's":             {withSession("hs-bo-DRIVER"), 403, ""},
		"an administrator's":     {withSession("hs-root-ADMIN"), 200, ""},
		"unknown":                {withSession("guess"), 401, "invalid_token"},
		"too long":               {withSession(strings.Repeat("x", maxSession+1)), 401, "invalid_token"},
		"another scheme":         {request("GET", mine, "", headerAuthorization, "Basic YTpi"), 401, `Bearer`},
		"empty":                  {request("GET", mine, "", headerAuthorization, "Bearer "), 401, `Bearer`},
		"two headers":            {request("GET", mine, "", headerAuthorization, customer, headerAuthorization, customer), 400, ""},
		"header and query":       {request("GET", mine+"?session_id="+ada, "", headerAuthorization, customer), 400, ""},
		"twice in the query":     {request("GET", mine+"?session_id="+ada+"&session_id="+ada, ""), 400, ""},
		"empty in the query":     {request("GET", mine+"?session_id=", ""), 400, ""},
		"a token":                {withSession(good), 200, ""},
		"a token in the query":   {request("GET", mine+"?session_id="+good, ""), 401, "invalid_token"},
		"a token that is forged": {withSession(good[:len(good)-4] + "AAAA"), 401, "invalid_token"},
		"no token":               {withSession("a.b.c"), 401, "invalid_token"},
	} {
		response := do(g, c.r)
		wantStatus(t, name, response, c.status)
		got := response.header.Get(headerChallenge)
		if (got == "") != (c.challenge == "") || !strings.Contains(got, c.challenge) {
			t.Errorf("%s: %s: %q, want %q", name, headerChallenge, got, c.challenge)
		}
		if response.status >= 400 && (strings.Contains(response.body, "CUSTOMER") || strings.Contains(response.body, "grant")) {
			t.Errorf("%s: the body %s says which role was missing", name, response.body)
		}
	}
}

func TestNoBadSessionIsTakenForNobody(t *testing.T) {
	g := newWorld(t).city()
	if got := see(t, g, request("GET", "/v1/customer/see", "")); got.User != "" {
		t.Errorf("without a session the user is %q, want none", got.User)
	}
	response := do(g, request("GET", "/v1/customer/see", "", headerAuthorization, "Bearer guess"))
	wantProblem(t, response, 401, fault.Unauthorized, reasonEnded, "log in again")
}

func TestTheServiceSeesTheUserAndNotTheSession(t *testing.T) {
	g := newWorld(t).city()
	for _, r := range []*http.Request{
		request("GET", "/v1/customer/see?a=1", "", headerAuthorization, customer),
		request("GET", "/v1/customer/see?session_id="+ada+"&a=1", ""),
	} {
		response := do(g, r)
		if strings.Contains(response.body, ada) || !strings.Contains(response.body, `"User":"ada"`) || !strings.Contains(response.body, `"Query":"a=1"`) {
			t.Errorf("%s: the service saw %s, want the user ada, the query a=1 and nothing of the session", r.URL, response.body)
		}
		if private := response.header.Get("Cache-Control") == "private"; private != (r.Header.Get(headerAuthorization) == "") {
			t.Errorf("%s: Cache-Control %q, want private where the session is in the URL", r.URL, response.header.Get("Cache-Control"))
		}
	}
}

func TestASessionIsExchangedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, g := bubble(t)
		w.set(func() { w.hold = make(chan struct{}) })
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() { wantStatus(t, "at once", do(g, withSession(ada)), 200) })
		}
		synctest.Wait()
		close(w.hold)
		all.Wait()
		wantStatus(t, "later", do(g, withSession(ada)), 200)
		if got := w.asked(); got != 1 {
			t.Errorf("%d exchanges for 51 requests of one session, want 1", got)
		}
	})
}

func TestAnEndedSessionIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, g := bubble(t)
		wantStatus(t, "before", do(g, withSession(ada)), 200)
		wantStatus(t, "another before", do(g, withSession("hs-eve-CUSTOMER")), 200)
		token := w.token(ada)
		w.end(ada)
		start := time.Now()
		response := do(g, withSession(ada))
		wantStatus(t, "the session", response, 401)
		wantStatus(t, "its token", do(g, withSession(token)), 401)
		if took := time.Since(start); took >= time.Second {
			t.Errorf("the end was noticed after %s, want less than 1 s", took)
		}
		wantStatus(t, "another session", do(g, withSession("hs-eve-CUSTOMER")), 200)
		if len(g.sessions.held) != 1 {
			t.Errorf("%d sessions are held, want only the other one", len(g.sessions.held))
		}
	})
}

func TestRefusedSessionsAreRememberedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, g := bubble(t)
		for range 10 {
			wantStatus(t, "unknown", do(g, withSession("guess")), 401)
		}
		if got := w.asked(); got != 1 {
			t.Errorf("%d exchanges for ten requests of an unknown session, want 1", got)
		}
		time.Sleep(endedFor)
		do(g, withSession("guess"))
		if got := w.asked(); got != 2 {
			t.Errorf("%d exchanges after %s, want another one", got, endedFor)
		}
	})
}

func TestLoginAwayIsNotUnauthorized(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, g := bubble(t)
		wantStatus(t, "known before", do(g, withSession("hs-eve-CUSTOMER")), 200)
		w.set(func() { w.away = fault.New(fault.Unavailable, "kernel.login.store", "the store is away") })
		response := do(g, withSession(ada))
		wantProblem(t, response, 503, fault.Unavailable, reasonUnknown, "cannot be looked up")
		if response.header.Get("Retry-After") == "" || response.header.Get(headerChallenge) != "" {
			t.Errorf("headers %v, want Retry-After and no challenge", response.header)
		}
		wantStatus(t, "known", do(g, withSession("hs-eve-CUSTOMER")), 200)
		wantStatus(t, "nobody", do(g, request("GET", "/v1/customer/see", "")), 200)
		w.set(func() { w.away = nil })
		wantStatus(t, "once it is back", do(g, withSession(ada)), 200)
	})
}

func TestTokensAreRenewedInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, g := bubble(t)
		w.life, w.renew = time.Hour, 30*time.Minute
		start := time.Now()
		for time.Since(start) < 5*time.Hour {
			wantStatus(t, fmt.Sprint("after ", time.Since(start)), do(g, withSession(ada)), 200)
			time.Sleep(5 * time.Minute)
		}
		if got := w.asked(); got != 10 {
			t.Errorf("%d exchanges in five hours of use, want one for every half hour", got)
		}
		w.set(func() { w.away = fault.New(fault.Unavailable, "kernel.login.store", "the store is away") })
		time.Sleep(10 * time.Minute)
		wantStatus(t, "renewal fails", do(g, withSession(ada)), 200)
		time.Sleep(time.Hour)
		wantStatus(t, "it is over and cannot be renewed", do(g, withSession(ada)), 503)
	})
}

func TestASessionThatEndsUnheardIsRefusedAtItsRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, g := bubble(t)
		w.renew = 30 * time.Minute
		wantStatus(t, "before", do(g, withSession(ada)), 200)
		w.set(func() { w.over[ada] = true })
		time.Sleep(30 * time.Minute)
		wantStatus(t, "at the renewal", do(g, withSession(ada)), 401)
		wantStatus(t, "after", do(g, withSession(ada)), 401)
	})
}

func TestGuessingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, g := bubble(t)
		hold := make(chan struct{})
		w.set(func() { w.hold = hold })
		var all sync.WaitGroup
		for i := range maxAsking {
			all.Go(func() { do(g, withSession(fmt.Sprint("guess", i))) })
		}
		synctest.Wait()
		wantProblem(t, do(g, withSession("one more")), 503, fault.Unavailable, reasonShed, "as many as it may")
		close(hold)
		all.Wait()
		if got := w.asked(); got != maxAsking {
			t.Errorf("%d exchanges, want %d", got, maxAsking)
		}
	})
}

func TestWhatIsKeptIsBounded(t *testing.T) {
	s := newSessions(func(_ context.Context, r *loginpb.ExchangeRequest) (*loginpb.ExchangeResponse, error) {
		return nil, errEnded
	}, nil)
	for i := range maxEnded + 100 {
		if _, _, err := s.open(t.Context(), fmt.Sprint(i)); !fault.Is(err, fault.Unauthorized) {
			t.Fatalf("open: %v, want Unauthorized", err)
		}
	}
	if len(s.ended) > maxEnded || len(s.held) != 0 || len(s.asking) != 0 {
		t.Errorf("%d ended, %d held, %d asking; want %d at most, and none", len(s.ended), len(s.held), len(s.asking), maxEnded)
	}
}

func TestAClientThatLeavesDoesNotTakeTheExchangeWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, g := bubble(t)
		hold := make(chan struct{})
		w.set(func() { w.hold = hold })
		ctx, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { do(g, withSession(ada).WithContext(ctx)) })
		synctest.Wait()
		all.Go(func() { wantStatus(t, "who stays", do(g, withSession(ada)), 200) })
		synctest.Wait()
		leave()
		close(hold)
		all.Wait()
	})
}

func TestTheCohortIsTheUsers(t *testing.T) {
	g := newWorld(t).city()
	const target = "/v1/customer/see?customer=7"
	for session, want := range map[string]int{
		customer: cohort(salt, "customer", "ada"),
		driver:   cohort(salt, "driver", "bo"),
		tester:   cohort(salt, "customer", "7"),
		admin:    cohort(salt, "customer", "7"),
	} {
		if got := see(t, g, request("GET", target, "", headerAuthorization, session)).Cohort; got != want {
			t.Errorf("%s: cohort %d, want %d", session, got, want)
		}
	}
	if got, want := see(t, g, request("GET", target, "")).Cohort, cohort(salt, "customer", "7"); got != want {
		t.Errorf("without a session: cohort %d, want that of whom it says it is, %d", got, want)
	}
}

func TestKeysAreShown(t *testing.T) {
	g := newWorld(t).city()
	response := do(g, request("GET", "/.well-known/jwks.json", ""))
	if response.status != 200 || !strings.Contains(response.body, `"Ed25519"`) || response.header.Get("Content-Type") != "application/jwk-set+json" ||
		!strings.Contains(response.header.Get("Cache-Control"), "max-age=") {
		t.Errorf("%d %v %s: want the keys, to be cached for a while", response.status, response.header, response.body)
	}
	again := do(g, request("GET", "/.well-known/jwks.json", "", "If-None-Match", response.header.Get("ETag")))
	wantStatus(t, "again", again, 304)
	wantProblem(t, do(newWorld(t).gateway(), request("GET", "/.well-known/jwks.json", "")), 503, fault.Unavailable, "gateway.no_keys", "not heard")
}
