package gateway

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client returns one that keeps no connection beyond the test.
func client(t testing.TB) *http.Client {
	transport := new(http.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

func get(c *http.Client, url string) (answer, error) {
	response, err := c.Get(url)
	if err != nil {
		return answer{}, err
	}
	return answerOf(response)
}

func mustGet(t *testing.T, c *http.Client, url string) answer {
	t.Helper()
	a, err := get(c, url)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func await(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("%s did not happen within %s", what, patience)
	}
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for !condition() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

func TestServesOverHTTP(t *testing.T) {
	g := newWorld(t).city()
	base := "http://" + g.Addr()
	c := client(t)
	if response := mustGet(t, c, base+"/v1/customer/see?x=1"); response.status != http.StatusOK || response.proto != "HTTP/1.1" {
		t.Errorf("%s %d, want HTTP/1.1 200", response.proto, response.status)
	}
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols}
	defer transport.CloseIdleConnections()
	if response := mustGet(t, &http.Client{Transport: transport}, base+"/v1/customer/see"); response.status != http.StatusOK || response.proto != "HTTP/2.0" {
		t.Errorf("%s %d, want HTTP/2.0 200 without TLS", response.proto, response.status)
	}
}

func TestDrainFinishesWhatIsUnderWay(t *testing.T) {
	w := newWorld(t)
	w.run(w.customer())
	g := w.gateway()
	stop := w.run(g)
	base := "http://" + g.Addr()
	c := client(t)
	answered := make(chan error, 1)
	go func() {
		response, err := get(c, base+"/v1/customer/held")
		if err == nil && response.status != http.StatusOK {
			err = fmt.Errorf("status %d", response.status)
		}
		answered <- err
	}()
	await(t, "arrival of the request", w.held)
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	eventually(t, "the listener closes", func() bool {
		conn, err := net.Dial("tcp", g.Addr())
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	wantProblem(t, do(g, request("GET", "/status", "")), http.StatusServiceUnavailable, fault.Unavailable, "gateway.draining", "stopping")
	select {
	case err := <-stopped:
		t.Fatalf("Run returned %v while a request was under way", err)
	default:
	}
	close(w.release)
	if err := <-answered; err != nil {
		t.Errorf("the request under way: %v, want 200", err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Run returned %v, want nil", err)
	}
}

func TestStatusTurnsBeforeTheListenerCloses(t *testing.T) {
	w := newWorld(t)
	g := w.gateway(func(c *Config) { c.Settle = 200 * time.Millisecond })
	stop := w.run(g)
	go func() { _ = stop() }()
	c := client(t)
	eventually(t, "/status says 503 over a new connection", func() bool {
		response, err := get(c, "http://"+g.Addr()+"/status")
		if err != nil {
			t.Fatalf("the listener closed before /status turned: %v", err)
		}
		return response.status == http.StatusServiceUnavailable
	})
}

func TestDrainHasALimit(t *testing.T) {
	w := newWorld(t)
	w.run(w.customer())
	g := w.gateway(func(c *Config) { c.Drain = 50 * time.Millisecond })
	stop := w.run(g)
	c := client(t)
	failed := make(chan error, 1)
	go func() {
		_, err := get(c, "http://"+g.Addr()+"/v1/customer/held")
		failed <- err
	}()
	await(t, "arrival of the request", w.held)
	if err := stop(); err != nil {
		t.Errorf("Run returned %v, want nil", err)
	}
	if err := <-failed; err == nil {
		t.Error("a request that outlasted the drain was answered, want it cut off")
	}
}

func TestRunSaysWhyItCannotStart(t *testing.T) {
	w := newWorld(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	g := w.gateway(func(c *Config) { c.Listen = taken.Addr().String() })
	if err := g.Run(platform.WithIssuer(t.Context(), w.issuer(g)), w.dial); err == nil || !strings.Contains(err.Error(), "another program has this address") {
		t.Errorf("Run on an address in use: %v, want an error that says so", err)
	}
	away := errors.New("no bus here")
	err = w.gateway().Run(platform.WithIssuer(t.Context(), issuer{w.authority, Name}), func(context.Context) (*bus.Bus, error) { return nil, away })
	if !errors.Is(err, away) {
		t.Errorf("Run without a bus: %v, want %v", err, away)
	}
}

func TestRunEndsBeforeItIsReady(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(platform.WithIssuer(t.Context(), issuer{w.authority, Name}))
	g := w.gateway()
	err := g.Run(ctx, func(ctx context.Context) (*bus.Bus, error) {
		cancel()
		return w.dial(ctx)
	})
	if err != nil {
		t.Errorf("Run returned %v, want nil", err)
	}
}

func TestNewRefusesMistakes(t *testing.T) {
	w := newWorld(t)
	svc := Service(w.options()...)
	for name, c := range map[string]Config{
		"salt":     {Salt: []byte("short")},
		"body":     {Salt: salt, BodyLimit: maxBody + 1},
		"negative": {Salt: salt, Budget: -1},
	} {
		if g, err := New(svc, c); err == nil {
			t.Errorf("%s: New returned %v, want an error", name, g)
		}
	}
	if _, err := New(w.customer(), Config{Salt: salt}); err == nil || !strings.Contains(err.Error(), "gateway.Service") {
		t.Errorf("New of another service: %v, want an error that names gateway.Service", err)
	}
}

// talk sends text over a new connection and returns the answer to it.
func talk(t *testing.T, g *Gateway, text string) (answer, error) {
	t.Helper()
	conn, err := net.Dial("tcp", g.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return answer{}, err
	}
	return answerOf(response)
}

func TestSlowClients(t *testing.T) {
	g := newWorld(t).city(func(c *Config) { c.Read = 50 * time.Millisecond })
	t.Run("body", func(t *testing.T) {
		response, err := talk(t, g, "POST /v1/customer/see HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
		if err != nil {
			t.Fatal(err)
		}
		wantProblem(t, response, http.StatusRequestTimeout, fault.BadRequest, "gateway.body_too_slow", "in time")
	})
	t.Run("header", func(t *testing.T) {
		if response, err := talk(t, g, "GET /v1/customer/see HTTP/1.1\r\nHost:"); err == nil {
			t.Errorf("a request whose header never ends got %d, want the connection closed", response.status)
		}
	})
}

func TestOversizeOverTheWire(t *testing.T) {
	g := newWorld(t).city()
	t.Run("expectation", func(t *testing.T) {
		response, err := talk(t, g, "POST /v1/customer/see HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 104857600\r\n\r\n")
		if err != nil {
			t.Fatal(err)
		}
		wantProblem(t, response, http.StatusRequestEntityTooLarge, fault.BadRequest, "gateway.body_too_large", "104857600 bytes")
		if !response.closed {
			t.Error("the connection stays open, though a body may follow")
		}
	})
	t.Run("chunked", func(t *testing.T) {
		text := "POST /v1/customer/see HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
		text += fmt.Sprintf("%x\r\n%s\r\n", maxBody+1, strings.Repeat("x", maxBody+1))
		response, err := talk(t, g, text)
		if err != nil {
			t.Fatal(err)
		}
		wantProblem(t, response, http.StatusRequestEntityTooLarge, fault.BadRequest, "gateway.body_too_large", "more than 983040")
	})
	t.Run("header", func(t *testing.T) {
		response, err := talk(t, g, "GET / HTTP/1.1\r\nHost: x\r\nX-Long: "+strings.Repeat("x", 2*maxHeader+8<<10)+"\r\n\r\n")
		if err != nil {
			t.Fatal(err)
		}
		if response.status != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("status %d, want 431", response.status)
		}
	})
	t.Run("broken chunk", func(t *testing.T) {
		response, err := talk(t, g, "POST /v1/customer/see HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
		if err != nil {
			t.Fatal(err)
		}
		wantProblem(t, response, http.StatusBadRequest, fault.BadRequest, "gateway.body_unreadable", "cannot be read")
	})
}

func TestClientThatSendsOnHearsOfTheRefusal(t *testing.T) {
	g := newWorld(t).city()
	const size = 100 << 20
	for _, length := range []int64{size, -1} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+g.Addr()+"/v1/customer/see", io.NopCloser(io.LimitReader(zeros{}, size)))
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = length
		response, err := client(t).Do(r)
		if err != nil {
			t.Fatalf("100 MB with length %d: %v, want 413", length, err)
		}
		a, err := answerOf(response)
		if err != nil {
			t.Fatal(err)
		}
		wantProblem(t, a, http.StatusRequestEntityTooLarge, fault.BadRequest, "gateway.body_too_large", "983040")
	}
}

// lines is a log that tests read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestFailuresAreLogged(t *testing.T) {
	for _, c := range []struct{ target, level string }{
		{"/v1/customer/see?customer=private", ""},
		{"/v1/customer/nosuch?customer=private", "INFO"},
		{"/v1/customer/status?is=404", "INFO"},
		{"/v1/customer/panics?customer=private", "WARN"},
		{"/nosuch", "INFO"},
	} {
		log := new(lines)
		g := newWorld(t).city(func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(log, nil)) })
		id := do(g, request(http.MethodGet, c.target, "")).header.Get(platform.HeaderRequestID)
		got := log.String()
		if (c.level == "") != (got == "") || !strings.Contains(got, c.level) {
			t.Errorf("%s: logged %q, want level %q", c.target, got, c.level)
		}
		if got != "" && !strings.Contains(got, "trace_id="+id) || strings.Contains(got, "private") {
			t.Errorf("%s: logged %q, want trace_id=%s and no query", c.target, got, id)
		}
	}
}
