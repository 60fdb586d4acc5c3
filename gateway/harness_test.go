package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/platformtest/membus"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
	"github.com/hansom-platform/hansom/proto/rpc"
)

const patience = 30 * time.Second

var (
	quiet = slog.New(slog.DiscardHandler)
	salt  = []byte("0123456789abcdef")
	zone  = bus.Zone{Region: "local", Zone: "a"}
)

// world is a bus in memory whose registry binds what registers, at once.
type world struct {
	t      testing.TB
	engine *membus.Engine
	binder *bus.Bus
	*authority

	held    chan struct{} // a request has reached the endpoint held
	release chan struct{} // and goes on

	registry sync.Mutex
	bound    map[string]bus.Binding
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, engine: membus.New(), authority: newAuthority(t), bound: map[string]bus.Binding{}, held: make(chan struct{}, 100), release: make(chan struct{})}
	w.binder, _ = w.dial(t.Context())
	t.Cleanup(func() { _ = w.binder.Close(context.Background()) })
	return w
}

func (w *world) dial(context.Context) (*bus.Bus, error) { return bus.New(w.engine.Open(zone)), nil }

// Register implements platform.Registry. An instance with an overlay gets only
// what carries the same label.
func (w *world) Register(ctx context.Context, i *discoverypb.Instance) error {
	b := bus.Binding{Service: i.GetService(), Instance: i.GetId(), Version: i.GetVersion(), Weight: 1, Region: zone.Region, Zone: zone.Zone}
	if label := i.GetOverlay(); label != "" {
		b.Match = map[string]string{bus.HeaderOverlay: label}
	}
	return w.change(ctx, func() { w.bound[i.GetId()] = b })
}

// Deregister implements platform.Registry.
func (w *world) Deregister(ctx context.Context, instance string) error {
	return w.change(ctx, func() { delete(w.bound, instance) })
}

func (w *world) change(ctx context.Context, f func()) error {
	w.registry.Lock()
	defer w.registry.Unlock()
	f()
	return w.binder.Apply(ctx, zone, slices.Collect(maps.Values(w.bound)))
}

func (w *world) options() []platform.Option {
	return []platform.Option{platform.Logger(quiet), platform.RegisterWith(w), platform.Version("v1"), platform.Place(zone), platform.Timing(platform.Timings{Settle: time.Millisecond})}
}

// runner is a service or a gateway.
type runner interface {
	Run(ctx context.Context, dial platform.Dial) error
	Ready() <-chan struct{}
}

// run runs r until the test ends or stop is called, which returns Run's error. It
// returns when r is ready.
func (w *world) run(r runner) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	ctx = platform.WithIssuer(ctx, w.issuer(r))
	go func() { done <- r.Run(ctx, w.dial) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	w.t.Cleanup(func() {
		if err := stop(); err != nil {
			w.t.Errorf("Run ended with %v, want nil", err)
		}
	})
	select {
	case <-r.Ready():
	case err := <-done:
		done <- err
		w.t.Fatalf("Run ended before it was ready: %v", err)
	case <-time.After(patience):
		w.t.Fatalf("not ready after %s", patience)
	}
	return stop
}

func (w *world) issuer(r runner) platform.TokenIssuer {
	if s, ok := r.(*platform.Service); ok {
		return issuer{w.authority, s.Name()}
	}
	return issuer{w.authority, Name}
}

// gateway returns one that is not run yet.
func (w *world) gateway(change ...func(*Config)) *Gateway {
	c := Config{Listen: "127.0.0.1:0", Salt: salt}
	for _, f := range change {
		f(&c)
	}
	g, err := New(Service(w.options()...), c)
	if err != nil {
		w.t.Fatal(err)
	}
	return g
}

// city runs a gateway above the services customer, echo and login.
func (w *world) city(change ...func(*Config)) *Gateway {
	w.run(w.login())
	w.run(w.customer())
	w.run(w.echo())
	g := w.gateway(change...)
	w.run(g)
	return g
}

// dying binds an instance that dies of its first request: it never answers and is
// unbound.
func (w *world) dying(service string) (died *atomic.Bool) {
	died = new(atomic.Bool)
	i := &discoverypb.Instance{Id: service + "-dying", Service: service, Version: "v1"}
	b, _ := w.dial(w.t.Context())
	server, err := b.Serve(w.t.Context(), i.GetId(), func(ctx context.Context, _ *bus.Message) *bus.Message {
		died.Store(true)
		_ = w.Deregister(ctx, i.GetId())
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		_ = server.Close()
		_ = b.Close(context.Background())
	})
	if err := w.Register(w.t.Context(), i); err != nil {
		w.t.Fatal(err)
	}
	return died
}

// seen is what a service behind the gateway sees of a request.
type seen struct {
	Method, Path, Query, Host, Remote, Body, RequestID, Trace, Overlay, Instance string
	User                                                                         string
	Cohort                                                                       int
	Header                                                                       http.Header
}

// customer returns api.v1.customer.
func (w *world) customer(opts ...platform.Option) *platform.Service {
	s := platform.New("api.v1.customer", append(w.options(), opts...)...)
	endpoint := func(name string, h http.HandlerFunc) { s.HandleHTTP(name, h, platform.Roles(platform.RoleAnyone)) }
	endpoint("see", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", typeJSON)
		whose := ""
		if u, ok := platform.UserOf(r.Context()); ok {
			whose = u.ID
		}
		_ = json.NewEncoder(w).Encode(seen{
			User:   whose,
			Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Host: r.Host, Remote: r.RemoteAddr, Body: string(body),
			RequestID: r.Header.Get(platform.HeaderRequestID), Trace: platform.TraceID(r.Context()),
			Cohort: platform.CohortOf(r.Context()), Overlay: platform.OverlayOf(r.Context()), Header: r.Header, Instance: s.ID(),
		})
	})
	s.HandleHTTP("mine", endpointMine, platform.Roles("CUSTOMER"))
	endpoint("status", func(w http.ResponseWriter, r *http.Request) {
		status, _ := strconv.Atoi(r.URL.Query().Get("is"))
		w.WriteHeader(status)
	})
	endpoint("slow", func(http.ResponseWriter, *http.Request) { <-time.After(time.Minute) }) // of virtual time
	endpoint("held", func(_ http.ResponseWriter, r *http.Request) {
		w.held <- struct{}{}
		select {
		case <-w.release:
		case <-r.Context().Done():
		}
	})
	endpoint("panics", func(http.ResponseWriter, *http.Request) { panic("on purpose") })
	endpoint("rude", func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		for _, name := range []string{"X-Request-Id", "X-Content-Type-Options", "Traceparent", "H2-From", "Keep-Alive", "X-Private"} {
			h.Set(name, "rude")
		}
		h.Set("Connection", "x-private")
		h.Add("Set-Cookie", "a=1")
		h.Add("Set-Cookie", "b=2")
	})
	s.HandleHTTP("closed", http.NotFoundHandler())
	text := func() proto.Message { return new(wrapperspb.StringValue) }
	s.Handle(&rpc.Endpoint{Service: s.Name(), Name: "words", Roles: []string{platform.RoleAnyone}, NewRequest: text, NewResponse: text},
		func(_ context.Context, m proto.Message) (proto.Message, error) { return m, nil })
	return s
}

var endpointMine = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	u, _ := platform.UserOf(r.Context())
	w.Header().Set("Content-Type", "text/plain")
	_, _ = io.WriteString(w, u.ID)
})

// echo returns core.echo, whose endpoint says answers with the string that it is
// given, and may only be called by an operator.
func (w *world) echo() *platform.Service {
	s := platform.New("core.echo", w.options()...)
	text := func() proto.Message { return new(wrapperspb.StringValue) }
	endpoint := func(name string, h func(string) (string, error), roles ...string) {
		s.Handle(&rpc.Endpoint{Service: "core.echo", Name: name, Roles: roles, NewRequest: text, NewResponse: text},
			func(_ context.Context, m proto.Message) (proto.Message, error) {
				answer, err := h(m.(*wrapperspb.StringValue).GetValue())
				return wrapperspb.String(answer), err
			})
	}
	endpoint("serve", func(s string) (string, error) { return s, nil }, platform.RoleService)
	endpoint("say", func(s string) (string, error) { return s, nil })
	endpoint("fail", func(s string) (string, error) {
		return "", fault.New(fault.Conflict, "core.echo.fail", "it is so: %s", s).WithDetail("a secret of the house")
	})
	return s
}

// request makes one that came from this machine.
func request(method, target, body string, header ...string) *http.Request {
	var r *http.Request
	if body == "" {
		r = httptest.NewRequest(method, target, nil)
	} else {
		r = httptest.NewRequest(method, target, strings.NewReader(body))
	}
	r.RemoteAddr, r.Host = "127.0.0.1:40000", "localhost:8080"
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

// foreign makes one that came from elsewhere.
func foreign(r *http.Request) *http.Request {
	r.RemoteAddr, r.Host = "203.0.113.9:40000", "api.example.com"
	return r
}

// answer is one that has been read to its end.
type answer struct {
	status int
	proto  string
	header http.Header
	body   string
	closed bool // the connection is not used again
}

func answerOf(r *http.Response) (answer, error) {
	body, err := io.ReadAll(r.Body)
	return answer{r.StatusCode, r.Proto, r.Header, string(body), r.Close}, errors.Join(err, r.Body.Close())
}

func do(g *Gateway, r *http.Request) answer {
	w := httptest.NewRecorder()
	g.Handler().ServeHTTP(w, r)
	return answer{status: w.Code, header: w.Result().Header, body: w.Body.String()}
}

// see sends a request to the endpoint see and returns what that saw.
func see(t *testing.T, g *Gateway, r *http.Request) seen {
	t.Helper()
	a := do(g, r)
	var s seen
	if err := json.Unmarshal([]byte(a.body), &s); a.status != http.StatusOK || err != nil {
		t.Fatalf("%s %s: status %d, body %s: want 200 and what was seen", r.Method, r.URL, a.status, a.body)
	}
	return s
}

// wantProblem fails the test unless a is a problem of this status, code and
// reason whose detail contains part.
func wantProblem(t *testing.T, a answer, status int, code fault.Code, reason, part string) fault.Problem {
	t.Helper()
	var p fault.Problem
	d := json.NewDecoder(strings.NewReader(a.body))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		t.Fatalf("status %d, body %q: want a problem: %v", a.status, a.body, err)
	}
	id := a.header.Get(platform.HeaderRequestID)
	if a.status != status || p.Status != status || p.Code != code.String() || p.Reason != reason || !strings.Contains(p.Detail, part) {
		t.Errorf("status %d, problem %+v: want status %d, code %s, reason %s, detail with %q", a.status, p, status, code, reason, part)
	}
	if got := a.header.Get("Content-Type"); got != fault.ProblemType {
		t.Errorf("content type %q, want %q", got, fault.ProblemType)
	}
	if len(id) != 32 || p.RequestID != id {
		t.Errorf("request id %q in the header, %q in the problem: want the same 32 digits", id, p.RequestID)
	}
	return p
}
