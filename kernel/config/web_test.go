package config_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/kernel/config"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/auth"
	"github.com/hansom-platform/hansom/platform/platformtest"
	"github.com/hansom-platform/hansom/store"
	"github.com/hansom-platform/hansom/store/memstore"
)

// site is the HTTP side of one instance.
type site struct {
	*house
	service *config.Service
	client  http.Client
}

func newSite(t *testing.T) *site {
	t.Helper()
	h := newHouse(t, platformtest.New(t), store.New(memstore.New()))
	s := &site{house: h, service: h.start("127.0.0.1:0"), client: http.Client{Transport: &http.Transport{}}}
	t.Cleanup(s.client.CloseIdleConnections)
	return s
}

// assertion proves a service for an audience.
func (s *site) assertion(service, audience string) string {
	s.t.Helper()
	a, err := s.env.Credential(service).Assertion(service+"-1", audience)
	if err != nil {
		s.t.Fatalf("make an assertion of %s: %v", service, err)
	}
	return a
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (s *site) get(query, token, has string) answer {
	s.t.Helper()
	a, err := s.try(s.t.Context(), query, token, has)
	if err != nil {
		s.t.Fatalf("GET %s: %v", query, err)
	}
	return a
}

func (s *site) try(ctx context.Context, query, token, has string) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.service.Addr()+query, http.NoBody)
	if err != nil {
		return answer{}, err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if has != "" {
		r.Header.Set("If-None-Match", has)
	}
	response, err := s.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(body)}, err
}

func TestHTTPServesAServiceItsOwnConfiguration(t *testing.T) {
	s := newSite(t)
	s.set(replace("base", `{"a":{"b":1},"p":{"$secret":{"value":"pw","for":["core.eta"]}}}`))
	eta := s.assertion("core.eta", config.Audience)

	got := s.get("/compile", eta, "")
	if got.status != 200 || got.body != `{"a":{"b":1},"p":"pw"}` || got.header.Get("Content-Type") != "application/json" || got.header.Get("Hansom-Revision") != "1" {
		t.Errorf("core.eta gets %+v", got)
	}
	tag := got.header.Get("ETag")
	for _, has := range []string{tag, `"other", W/` + tag, "*"} {
		if same := s.get("/compile?service=core.eta&region=&environment=", eta, has); same.status != 304 || same.body != "" || same.header.Get("ETag") != tag {
			t.Errorf("with If-None-Match %s: %+v, want 304 with the same tag", has, same)
		}
	}
	admin := s.env.Token(auth.User{ID: "root", Roles: []string{platform.RoleAdmin}})
	equal(t, "an administrator gets", s.get("/compile?service=core.eta", admin, "").body, `{"a":{"b":1},"p":`+hiddenForEta+`}`)
	equal(t, "a part", s.get("/compile?path=a.b", eta, "").body, "1")
	equal(t, "as of 1", s.get("/compile?as_of=1&path=a", eta, "").body, `{"b":1}`)
	if h := s.get("/healthz", "", ""); h.status != 200 {
		t.Errorf("/healthz is %+v, want 200", h)
	}
}

func TestHTTPRefuses(t *testing.T) {
	s := newSite(t)
	eta := s.assertion("core.eta", config.Audience)
	stranger, err := auth.NewRoot("local", make([]byte, auth.MasterSize))
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := stranger.Enrol("core.eta", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := foreign.Assertion("core.eta-1", config.Audience)
	if err != nil {
		t.Fatal(err)
	}
	customer := s.env.Token(auth.User{ID: "c", Roles: []string{"CUSTOMER"}})
	for _, c := range []struct {
		name, query, token string
		status             int
	}{
		{"nobody", "/compile", "", 401},
		{"nonsense", "/compile", "x.y.z", 401},
		{"an assertion for somebody else", "/compile", s.assertion("core.eta", "kernel.login-1"), 401},
		{"an assertion that another root stands behind", "/compile", forged, 401},
		{"a customer", "/compile?service=core.eta", customer, 403},
		{"another service's", "/compile?service=core.state", eta, 403},
		{"an unknown parameter", "/compile?servcie=core.eta", eta, 400},
		{"a parameter twice", "/compile?path=a&path=b", eta, 400},
		{"a bad revision", "/compile?as_of=-1", eta, 400},
		{"a revision to come", "/compile?as_of=99", eta, 400},
		{"a bad wait", "/compile?wait=soon", eta, 400},
		{"no such part", "/compile?path=nowhere", eta, 404},
		{"no such page", "/", eta, 404},
		{"a long header", "/compile", strings.Repeat("x", 64<<10), 431},
	} {
		got := s.get(c.query, c.token, "")
		if got.status != c.status {
			t.Errorf("%s: GET %s is %d %s, want %d", c.name, c.query, got.status, got.body, c.status)
		}
		var p fault.Problem
		if c.status != 431 && (json.Unmarshal([]byte(got.body), &p) != nil || p.Reason == "") {
			t.Errorf("%s: the body is no problem: %s", c.name, got.body)
		}
	}
}

func TestHTTPWaitsForAChange(t *testing.T) {
	s := newSite(t)
	s.set(replace("base", `{"a":1}`))
	eta := s.assertion("core.eta", config.Audience)
	tag := s.get("/compile", eta, "").header.Get("ETag")
	if same := s.get("/compile?wait=20ms", eta, tag); same.status != 304 {
		t.Errorf("without a change: %+v, want 304 at the end", same)
	}
	answers := make(chan answer, 1)
	go func() {
		a, err := s.try(t.Context(), "/compile?wait=30s", eta, tag)
		if err != nil {
			a.body = err.Error()
		}
		answers <- a
	}()
	await(t, 5*time.Second, "a client that waits", func() bool { return s.service.Waiting() == 1 })
	s.set(replace("city/LON", `{}`)) // does not touch it
	s.set(merge("base", `{"a":2}`))
	select {
	case a := <-answers:
		if a.status != 200 || a.body != `{"a":2}` || a.header.Get("Hansom-Revision") != "3" {
			t.Errorf("after the change: %+v, want the new document of revision 3", a)
		}
	case <-time.After(5 * time.Second):
		t.Error("the change did not answer the client that waits")
	}
}

func TestHTTPGoesOnWithoutTheBusAndEndsCleanly(t *testing.T) {
	s := newSite(t)
	s.set(replace("base", `{"a":1}`))
	eta := s.assertion("core.eta", config.Audience)
	s.env.Engine().Stop()
	got := s.get("/compile", eta, "")
	equal(t, "without the bus", got.body, `{"a":1}`)
	s.env.Engine().Start()

	answers := make(chan answer, 1)
	go func() {
		a, _ := s.try(t.Context(), "/compile?wait=60s", eta, got.header.Get("ETag"))
		answers <- a
	}()
	await(t, 5*time.Second, "a client that waits", func() bool { return s.service.Waiting() == 1 })
	s.env.Stop(s.service.Service)
	if a := <-answers; a.status != 304 {
		t.Errorf("who waited while the instance stopped was answered %+v, want 304", a)
	}
}

func TestHTTPIsThereBeforeTheBus(t *testing.T) {
	env := platformtest.New(t)
	h := newHouse(t, env, store.New(memstore.New()))
	svc := config.New(h.store, config.Config{Listen: "127.0.0.1:0", Key: key}, platform.Logger(env.Logger()))
	config.Verify(svc, env.Verifier())
	if err := svc.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = svc.Close() })
	s := &site{house: h, service: svc, client: http.Client{Transport: &http.Transport{}}}
	t.Cleanup(s.client.CloseIdleConnections)
	equal(t, "before Run", s.get("/compile", s.assertion("core.eta", config.Audience), "").body, "{}")
}

func TestATakenAddressIsNamedWithItsFlag(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := config.New(store.New(memstore.New()), config.Config{Listen: l.Addr().String(), Key: key}, platform.Logger(testLogger(t)))
	err = s.Start(t.Context())
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "--config-listen") || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("Start on a taken address: %v, want it to name the address and --config-listen", err)
	}
}
