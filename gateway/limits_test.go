package gateway

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansom-platform/hansom/fault"
)

func TestLimitsFollowTheConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, g := bubble(t)
		took := func() time.Duration {
			start := time.Now()
			wantProblem(t, do(g, request(http.MethodPost, "/v1/customer/slow", "x")), 504, fault.Timeout, "platform.timeout", "did not answer")
			return time.Since(start)
		}
		if got := took(); got != 5*time.Second {
			t.Errorf("before: the budget was %s, want 5 s", got)
		}
		set(t, g, `{"hansom": {"gateway": {"timeout": "50ms", "body_limit": 4, "concurrency": 7}}}`)
		if got := took(); got != 50*time.Millisecond {
			t.Errorf("configured: the budget was %s, want 50 ms", got)
		}
		wantProblem(t, do(g, request(http.MethodPost, "/v1/customer/see", "12345")), 413, fault.BadRequest, "gateway.body_too_large", "limit is 4")
		if got := g.limits.Load().Concurrency; got != 7 {
			t.Errorf("concurrency %d, want 7", got)
		}
		set(t, g, `{}`)
		if got := g.limits.Load(); got.Timeout != 5*time.Second || got.BodyLimit != maxBody || got.Concurrency != 1000 {
			t.Errorf("limits %+v once nothing is configured, want the defaults", got)
		}
	})
}

// set configures g, and waits until it has noticed.
func set(t *testing.T, g *Gateway, document string) {
	t.Helper()
	if err := g.svc.Config().Set([]byte(document), g.svc.Config().Revision()+1, document); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

func TestAbsurdLimitsAreRefused(t *testing.T) {
	for _, part := range []string{
		`"timeout": "0s"`, `"timeout": "-5s"`, `"timeout": "1us"`, `"timeout": "24h"`, `"timeout": 50`, `"timeout": "soon"`,
		`"body_limit": 0`, `"body_limit": 983041`, `"body_limit": "1MB"`, `"concurrency": 0`, `"concurrency": -1`, `"concurrency": 10000000`,
		`"tiemout": "50ms"`, `"trusted_proxies": ["everybody"]`, `"trusted_proxies": ["0.0.0.0/0"]`,
	} {
		synctest.Test(t, func(t *testing.T) {
			log := new(lines)
			w := newWorld(t)
			g := w.gateway(func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(log, nil)) })
			w.run(g.svc)
			set(t, g, `{"hansom": {"gateway": {"timeout": "2s", "concurrency": 9}}}`)
			good := g.limits.Load()
			set(t, g, `{"hansom": {"gateway": {"concurrency": 8, `+part+`}}}`)
			if got := g.limits.Load(); got != good || good.Concurrency != 9 {
				t.Errorf("%s: limits %+v, want the last good ones, %+v", part, got, good)
			}
			if got := log.String(); !strings.Contains(got, "refused") {
				t.Errorf("%s: logged %q, want a line that says what was refused", part, got)
			}
		})
	}
}

func TestServicesSeeTheClientBehindATrustedProxy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, g := bubble(t)
		r := func() *http.Request {
			return request(http.MethodGet, "/v1/customer/see", "", "X-Forwarded-For", "198.51.100.1")
		}
		if got := see(t, g, r()).Remote; got != "127.0.0.1:40000" {
			t.Errorf("remote address %s, want the peer's while no proxy is trusted", got)
		}
		set(t, g, `{"hansom": {"gateway": {"trusted_proxies": ["127.0.0.1"]}}}`)
		if got := see(t, g, r()).Remote; got != "198.51.100.1:0" {
			t.Errorf("remote address %s, want what the trusted proxy says", got)
		}
	})
}
