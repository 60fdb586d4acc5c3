// Package platformtest runs services in memory inside a unit test: the real
// platform library over an in-memory bus, with stand-ins for kernel.discovery and
// for whatever the service depends on. Only tests import it.
//
//	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
//		platformtest.Fake(env, routingpb.RoutingRoute, func(ctx context.Context, r *routingpb.RouteRequest) (*routingpb.RouteResponse, error) { ... })
//		svc := platform.New("core.eta")
//		etapb.RegisterEta(svc, eta.New(routingpb.NewRoutingClient(svc)))
//		env.Start(svc)
//		response, err := etapb.NewEtaClient(env.Client()).Estimate(t.Context(), request)
//	})
//
// Run puts the test into a testing/synctest bubble: time is virtual, so that
// timeouts, retries, expiry and drains take no time and are exact. New is the
// same on the machine's clock. Nothing is sent over a network either way.
//
// When the test ends, every service is drained; a handler that does not end, a
// queue that stays open and a goroutine that outlives its service fail the test.
package platformtest

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/auth"
	"github.com/hansom-platform/hansom/platform/platformtest/membus"
)

// Limits of what services may take, on the test's clock.
const (
	startLimit = 10 * time.Second
	drainLimit = 10 * time.Second
)

// Local is the zone that services run in unless they say otherwise.
var Local = bus.Zone{Region: "local", Zone: "a"}

// Option changes an Env.
type Option interface{ apply(*Env) }

type option func(*Env)

func (o option) apply(e *Env) { o(e) }

// WithoutDiscovery leaves out the stand-in for kernel.discovery, for tests of
// the kernel itself. Somebody else has to list and bind what is started.
func WithoutDiscovery() Option { return option(func(e *Env) { e.registry = nil }) }

// Env is a platform in memory for one test. Methods that take no context fail
// the test where they cannot do their work, so they belong to the test's goroutine.
type Env struct {
	t            testing.TB
	engine       *membus.Engine
	registry     *registry
	identities   Identities
	unidentified bool // what is started has to bring its own
	leaks        leakDetector
	log          *slog.Logger

	mu       sync.Mutex
	running  map[*platform.Service]*running
	opened   []*bus.Bus
	clients  map[string]*platform.Client
	fakes    map[string]*fake // by service
	sessions int              // that were made up
}

// running is one service that was started.
type running struct {
	stop context.CancelFunc
	done chan struct{} // closed when Run has returned
	err  error         // what Run returned

	mu     sync.Mutex
	buses  []driver.Bus
	killed bool
}

// Run runs f as a test in a bubble of virtual time, with an Env that ends with it.
func Run(t *testing.T, f func(t *testing.T, env *Env), opts ...Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, New(t, opts...)) })
}

// New returns an Env that is closed when the test ends. In a synctest bubble it
// must be made inside.
func New(t testing.TB, opts ...Option) *Env {
	t.Helper()
	e := &Env{
		t:       t,
		engine:  membus.New(),
		leaks:   newLeakDetector(),
		log:     slog.New(slog.NewTextHandler(t.Output(), nil)),
		running: map[*platform.Service]*running{},
		clients: map[string]*platform.Client{},
		fakes:   map[string]*fake{},
	}
	e.registry = newRegistry(e)
	for _, o := range opts {
		o.apply(e)
	}
	if e.identities == nil {
		var err error
		if e.identities, err = newAuthority(); err != nil {
			t.Fatalf("make identities: %v", err)
		}
	}
	t.Cleanup(e.close)
	if e.registry != nil {
		e.Start(e.registry.discovery())
	}
	return e
}

// Logger writes to the test's output: pass it to services with platform.Logger.
func (e *Env) Logger() *slog.Logger { return e.log }

// Engine is the bus that everything in the Env is connected to: Stop and Start
// it to stage an outage.
func (e *Env) Engine() *membus.Engine { return e.engine }

// Start runs services and returns when all of them are registered and so get
// requests. Several of them may be instances, or versions, of one service.
func (e *Env) Start(services ...*platform.Service) {
	e.t.Helper()
	for _, s := range services {
		e.run(s)
	}
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	for _, s := range services {
		r := e.find(s)
		select {
		case <-s.Ready():
		case <-r.done:
			e.t.Fatalf("%s ended while it started: %v", s.Name(), r.err)
		case <-limit.C:
			e.t.Fatalf("%s is not ready within %v", s.Name(), startLimit)
		}
	}
}

func (e *Env) run(s *platform.Service) {
	e.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	if !e.unidentified {
		ctx = platform.WithIssuer(ctx, e.identities.Issuer(s.Name()))
	}
	r := &running{stop: stop, done: make(chan struct{})}
	e.mu.Lock()
	e.running[s] = r
	e.mu.Unlock()
	e.leaks.watch(func() {
		go func() {
			defer close(r.done)
			r.err = s.Run(ctx, func(context.Context) (*bus.Bus, error) { return r.dial(e.engine, s.Zone()) })
		}()
	})
}

func (r *running) dial(engine *membus.Engine, z bus.Zone) (*bus.Bus, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.killed {
		return nil, fault.New(fault.Unavailable, "platformtest.killed", "the test killed this instance")
	}
	d := engine.Open(z)
	r.buses = append(r.buses, d)
	return bus.New(d), nil
}

func (e *Env) find(s *platform.Service) *running {
	e.t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.running[s]
	if r == nil {
		e.t.Fatalf("%s (%s) was not started in this Env", s.Name(), s.ID())
	}
	return r
}

// Stop drains a service and returns when it has ended, as on SIGTERM.
func (e *Env) Stop(s *platform.Service) {
	e.t.Helper()
	r := e.find(s)
	r.stop()
	e.await(s, r)
}

// Kill cuts a service off the bus without a word, as kill -9 does. It stays listed
// and bound until its heartbeats are missed.
func (e *Env) Kill(s *platform.Service) {
	e.t.Helper()
	r := e.find(s)
	r.mu.Lock()
	r.killed = true
	for _, b := range r.buses {
		e.engine.Sever(b)
	}
	r.mu.Unlock()
	r.stop()
}

func (e *Env) await(s *platform.Service, r *running) {
	e.t.Helper()
	limit := time.NewTimer(drainLimit)
	defer limit.Stop()
	select {
	case <-r.done:
		if r.err != nil && !r.killed {
			e.t.Errorf("%s ended with an error: %v", s.Name(), r.err)
		}
	case <-limit.C:
		e.t.Errorf("%s did not drain within %v: a handler or a background function ignores the end of its context", s.Name(), drainLimit)
	}
}

// Client calls as an operator on behalf of an administrator, who may call everything,
// where the context has no user (see As).
func (e *Env) Client() *platform.Client { return e.ClientAs(platform.Operator) }

// ClientAs calls as the named service, which it can prove, to test who may call what.
// Under the name platform.Operator it is Client; under one that is no service's it has
// nothing to prove who it is, nor a user's token but for that of the context.
func (e *Env) ClientAs(name string) *platform.Client {
	e.t.Helper()
	e.mu.Lock()
	c := e.clients[name]
	e.mu.Unlock()
	if c != nil {
		return c
	}
	c = platform.NewClient(name, e.Bus(Local), e.clientOptions(name)...)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.clients[name] = c
	return c
}

func (e *Env) clientOptions(name string) []platform.ClientOption {
	opts := []platform.ClientOption{platform.Logger(e.log)}
	switch {
	case name == platform.Operator:
		opts = append(opts, platform.Token(e.adminToken()))
	case strings.Contains(name, "."):
		opts = append(opts, platform.Issuer(e.identities.Issuer(name)))
	}
	return opts
}

// adminToken returns what gives an administrator's token, a new one where half of the
// old one's life is over.
func (e *Env) adminToken() func(context.Context) (string, error) {
	var mu sync.Mutex
	var token string
	var issued time.Time
	return func(context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); token == "" || now.Sub(issued) > auth.MaxUserLife/2 {
			issued = now
			token = e.Token(auth.User{ID: "administrator", Application: "admin", Session: "administrator", Roles: []string{platform.RoleAdmin}})
		}
		return token, nil
	}
}

// Bus opens a connection that routes from z, which is closed with the test.
func (e *Env) Bus(z bus.Zone) *bus.Bus {
	b := bus.New(e.engine.Open(z))
	e.mu.Lock()
	defer e.mu.Unlock()
	e.opened = append(e.opened, b)
	return b
}

// Weigh gives every instance of a version of a service this weight, 0 for none.
// The default is 100.
func (e *Env) Weigh(service, version string, weight uint32) {
	e.t.Helper()
	if e.registry == nil {
		e.t.Fatalf("Weigh needs the stand-in for kernel.discovery")
	}
	if err := e.registry.weigh(context.Background(), service, version, weight); err != nil {
		e.t.Fatalf("weigh %s %s: %v", service, version, err)
	}
}

// close drains everything, the stand-in for kernel.discovery last, and looks for
// what is left.
func (e *Env) close() {
	e.engine.Start()
	var kernel *platform.Service
	if e.registry != nil {
		kernel = e.registry.service
	}
	e.mu.Lock()
	others := maps.Clone(e.running)
	e.mu.Unlock()
	last := others[kernel]
	delete(others, kernel)
	for _, r := range others {
		r.stop()
	}
	for s, r := range others {
		e.await(s, r)
	}
	if last != nil {
		last.stop()
		e.await(kernel, last)
	}
	e.closeBuses()
	if left := e.engine.Left(); len(left) > 0 {
		e.t.Errorf("still open on the bus: %s", strings.Join(left, ", "))
	}
	if left := e.leaks.find(); len(left) > 0 {
		e.t.Errorf("%d stacks of goroutines outlived their services:\n\n%s", len(left), strings.Join(left, "\n\n"))
	}
}

func (e *Env) closeBuses() {
	e.mu.Lock()
	opened := slices.Clone(e.opened)
	e.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), drainLimit)
	defer cancel()
	for _, b := range opened {
		if err := b.Close(ctx); err != nil {
			e.t.Errorf("close a connection that the test opened: %v", err)
		}
	}
}
