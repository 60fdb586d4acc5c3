package platform_test

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/auth"
	"github.com/hansom-platform/hansom/platform/platformtest"
	"github.com/hansom-platform/hansom/platform/platformtest/membus"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
	"github.com/hansom-platform/hansom/proto/rpc"
)

// world is a bus in memory whose registry binds what registers, at once.
type world struct {
	t      testing.TB
	zone   bus.Zone
	engine *membus.Engine
	binder *bus.Bus
	ids    platformtest.Identities

	mu    sync.Mutex
	bound map[string]bus.Binding
	heard int // registrations taken
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, zone: bus.Zone{Region: "local", Zone: "a"}, engine: membus.New(), bound: map[string]bus.Binding{}}
	var err error
	if w.ids, err = platformtest.NewIdentities(); err != nil {
		t.Fatal(err)
	}
	w.binder = w.open()
	return w
}

// open returns a connection that the test closes at its end.
func (w *world) open() *bus.Bus {
	b := bus.New(w.engine.Open(w.zone))
	w.t.Cleanup(func() { _ = b.Close(context.Background()) })
	return b
}

func (w *world) dial(context.Context) (*bus.Bus, error) {
	return bus.New(w.engine.Open(w.zone)), nil
}

// Register implements platform.Registry.
func (w *world) Register(ctx context.Context, i *discoverypb.Instance) error {
	return w.bind(ctx, i.GetService(), i.GetId(), i.GetVersion())
}

func (w *world) bind(ctx context.Context, service, instance, version string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heard++
	w.bound[instance] = bus.Binding{
		Service: service, Instance: instance, Version: version, Weight: 1,
		Region: w.zone.Region, Zone: w.zone.Zone,
	}
	return w.apply(ctx)
}

// Deregister implements platform.Registry.
func (w *world) Deregister(ctx context.Context, instance string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.bound, instance)
	return w.apply(ctx)
}

func (w *world) apply(ctx context.Context) error {
	return w.binder.Apply(ctx, w.zone, slices.Collect(maps.Values(w.bound)))
}

func (w *world) registrations() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.heard
}

// issuer has a service, or client, prove that it is the named service.
func (w *world) issuer(name string) platform.SharedOption {
	return platform.Issuer(w.ids.Issuer(name))
}

// token makes a user token. What u does not say is made up.
func (w *world) token(u auth.User) string {
	w.t.Helper()
	u.ID, u.Application, u.Session = cmp.Or(u.ID, "user"), "test", cmp.Or(u.Session, "session")
	if u.Issued.IsZero() {
		u.Issued = time.Now()
	}
	if u.Expires.IsZero() {
		u.Expires = u.Issued.Add(auth.MaxUserLife)
	}
	token, err := w.ids.UserToken(&u)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// service returns a service of this world that logs nothing.
func (w *world) service(name string, opts ...platform.Option) *platform.Service {
	all := []platform.Option{platform.Logger(quiet), platform.RegisterWith(w), platform.Version("v1"), w.issuer(name)}
	return platform.New(name, append(all, opts...)...)
}

var quiet = slog.New(slog.DiscardHandler)

// run runs s until the test ends or stop is called, which returns Run's error. It
// returns when s is ready.
func (w *world) run(s *platform.Service) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, w.dial) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	w.t.Cleanup(func() {
		if err := stop(); err != nil {
			w.t.Errorf("Run of %s: %v", s.Name(), err)
		}
	})
	select {
	case <-s.Ready():
	case err := <-done:
		done <- err
		w.t.Fatalf("Run of %s ended before it was ready: %v", s.Name(), err)
	case <-time.After(30 * time.Second):
		w.t.Fatalf("%s is not ready after 30 s", s.Name())
	}
	return stop
}

// operator returns a client with the operator's rights.
func (w *world) operator(opts ...platform.ClientOption) *platform.Client {
	admin := w.token(auth.User{ID: "admin", Roles: []string{platform.RoleAdmin}})
	token := platform.Token(func(context.Context) (string, error) { return admin, nil })
	return platform.NewClient(platform.Operator, w.open(), append([]platform.ClientOption{platform.Logger(quiet), token}, opts...)...)
}

// stub opens a queue and binds it, for peers that misbehave as no service would.
func (w *world) stub(service, instance string, h bus.Handler) {
	w.t.Helper()
	server, err := w.open().Serve(context.Background(), instance, h)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = server.Close() })
	if err := w.bind(context.Background(), service, instance, "v1"); err != nil {
		w.t.Fatal(err)
	}
}

// endpoint returns an endpoint that takes and gives strings, for anyone.
func endpoint(service, name string, change ...func(*rpc.Endpoint)) *rpc.Endpoint {
	e := &rpc.Endpoint{
		Service: service, Name: name, Roles: []string{platform.RoleAnyone},
		NewRequest:  func() proto.Message { return new(wrapperspb.StringValue) },
		NewResponse: func() proto.Message { return new(wrapperspb.StringValue) },
	}
	for _, c := range change {
		c(e)
	}
	return e
}

func idempotent(e *rpc.Endpoint) { e.Idempotent = true }

func upper95(d time.Duration) func(*rpc.Endpoint) { return func(e *rpc.Endpoint) { e.Upper95 = d } }

// text makes a handler of a function on strings.
func text(f func(ctx context.Context, in string) (string, error)) rpc.Handler {
	return func(ctx context.Context, m proto.Message) (proto.Message, error) {
		out, err := f(ctx, m.(*wrapperspb.StringValue).GetValue())
		if err != nil {
			return nil, err
		}
		return wrapperspb.String(out), nil
	}
}

// say calls e with a string.
func say(ctx context.Context, c rpc.Caller, e *rpc.Endpoint, in string) (string, error) {
	out := new(wrapperspb.StringValue)
	if err := c.Call(ctx, e, wrapperspb.String(in), out); err != nil {
		return "", err
	}
	return out.GetValue(), nil
}

func echo(_ context.Context, in string) (string, error) { return in, nil }
