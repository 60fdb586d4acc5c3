package kernel_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/app/broker"
	"github.com/hansom-platform/hansom/app/dial"
	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/kernel/binding"
	"github.com/hansom-platform/hansom/kernel/discovery"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/auth"
	hansompb "github.com/hansom-platform/hansom/proto/hansom"
	bindingpb "github.com/hansom-platform/hansom/proto/kernel/binding"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
)

var zone = bus.Zone{Region: "local", Zone: "a"}

// Intervals that keep the tests short; a second is the shortest ttl of the engine.
var (
	discoveryConfig = discovery.Config{
		Interval: 300 * time.Millisecond, Timeout: time.Second, ProbePause: 100 * time.Millisecond,
		Session: time.Second, Turn: 300 * time.Millisecond,
	}
	bindingConfig = binding.Config{Audit: time.Second}
	timings       = platform.Timings{Lost: 3 * time.Second, Settle: 20 * time.Millisecond, Drain: 3 * time.Second}
)

// environment is one broker and what runs on it, each part over connections of
// its own that can be cut, as if it were a process of its own.
type environment struct {
	t      *testing.T
	folder string
	broker *broker.Broker
	bus    *bus.Bus
	root   *auth.Root
	token  string // of an administrator
	client *platform.Client
	parts  map[*platform.Service]*part
}

// part is one instance and its connections.
type part struct {
	wire *wire
	stop context.CancelFunc
	done chan error
}

func newEnvironment(t *testing.T) *environment {
	t.Helper()
	e := &environment{t: t, folder: t.TempDir(), parts: map[*platform.Service]*part{}}
	e.startBroker("127.0.0.1:0")
	t.Cleanup(func() { _ = e.broker.Close(context.Background()) })
	b, err := dial.Bus(t.Context(), e.broker.URL(), zone)
	if err != nil {
		t.Fatalf("connect to the bus: %v", err)
	}
	t.Cleanup(func() { _ = b.Close(context.Background()) })
	e.bus = b
	e.openLogin()
	e.client = platform.NewClient(platform.Operator, b, platform.Logger(quiet),
		platform.Token(func(context.Context) (string, error) { return e.token, nil }))
	return e
}

var quiet = slog.New(slog.DiscardHandler)

func (e *environment) startBroker(listen string) {
	e.t.Helper()
	b, err := broker.Start(e.t.Context(), broker.Config{Dir: e.folder, Listen: listen, Logger: quiet})
	if err != nil {
		e.t.Fatalf("start the broker: %v", err)
	}
	e.broker = b
}

func (e *environment) discovery() *platform.Service {
	e.t.Helper()
	w := e.newWire()
	c, err := dial.Coord(e.t.Context(), w.url)
	if err != nil {
		e.t.Fatalf("connect to coord: %v", err)
	}
	svc := discovery.New(c, discoveryConfig, e.options(discovery.Name)...)
	e.start(svc, w, c.Close)
	return svc
}

func (e *environment) binding() *platform.Service {
	e.t.Helper()
	w := e.newWire()
	c, err := dial.Dialer{LeaderTTL: time.Second}.Coord(e.t.Context(), w.url)
	if err != nil {
		e.t.Fatalf("connect to coord: %v", err)
	}
	svc := binding.New(c, bindingConfig, e.options(binding.Name)...)
	e.start(svc, w, c.Close)
	return svc
}

func (e *environment) options(service string) []platform.Option {
	e.t.Helper()
	return []platform.Option{
		platform.Credential(e.credential(service)), platform.Place(zone), platform.Timing(timings), platform.Logger(quiet),
	}
}

// eta starts an instance of core.eta and returns when it is registered.
func (e *environment) eta(version string) *platform.Service {
	e.t.Helper()
	svc := platform.New("core.eta", append(e.options("core.eta"), platform.Version(version))...)
	e.start(svc, e.newWire(), nil)
	return svc
}

// start starts an instance and returns when it is registered.
func (e *environment) start(svc *platform.Service, w *wire, closeCoord func(context.Context) error) {
	e.t.Helper()
	p := e.run(svc, w, closeCoord)
	select {
	case <-svc.Ready():
	case err := <-p.done:
		p.done <- err
		e.t.Fatalf("%s ended while it started: %v", svc.Name(), err)
	case <-time.After(10 * time.Second):
		e.t.Fatalf("%s is not ready within 10 s", svc.ID())
	}
}

func (e *environment) run(svc *platform.Service, w *wire, closeCoord func(context.Context) error) *part {
	e.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	p := &part{wire: w, stop: stop, done: make(chan error, 1)}
	e.parts[svc] = p
	go func() {
		p.done <- svc.Run(ctx, func(ctx context.Context) (*bus.Bus, error) { return dial.Bus(ctx, w.url, zone) })
	}()
	e.t.Cleanup(func() {
		stop()
		if err := <-p.done; err != nil {
			e.t.Logf("%s ended with an error, as one that was killed may: %v", svc.ID(), err)
		}
		if closeCoord != nil {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_ = closeCoord(ctx)
		}
	})
	return p
}

// kill cuts an instance off without a word.
func (e *environment) kill(svc *platform.Service) {
	e.t.Helper()
	e.parts[svc].wire.cut()
}

func (e *environment) registrations(ctx context.Context, of *platform.Service) ([]*discoverypb.Registration, error) {
	response, err := discoverypb.NewDiscoveryClient(e.client).Instances(platform.To(ctx, of.ID()), &discoverypb.InstancesRequest{Service: "core.eta"})
	return response.GetRegistrations(), err
}

// instances returns who looks after each instance of core.eta.
func (e *environment) instances(ctx context.Context, of *platform.Service) (map[string]string, error) {
	all, err := e.registrations(ctx, of)
	owners := map[string]string{}
	for _, r := range all {
		owners[r.GetInstance().GetId()] = r.GetDiscovery()
	}
	return owners, err
}

// bindings returns the bindings of core.eta by instance.
func (e *environment) bindings() map[string]uint32 {
	e.t.Helper()
	all, err := e.bus.Bindings(e.t.Context(), zone)
	if err != nil {
		e.t.Fatalf("list the bindings: %v", err)
	}
	bound := map[string]uint32{}
	for _, b := range all {
		if b.Service == "core.eta" {
			bound[b.Instance] = b.Weight
		}
	}
	return bound
}

func (e *environment) call(ctx context.Context) (platform.ServedBy, error) {
	var by platform.ServedBy
	err := e.client.Call(platform.CaptureServedBy(ctx, &by), platform.Builtin("core.eta", platform.EndpointStats),
		&hansompb.StatsRequest{}, new(hansompb.StatsResponse))
	return by, err
}

func (e *environment) split(version string, basisPoints uint32) error {
	_, err := bindingpb.NewBindingClient(e.client).SetSplit(e.t.Context(), &bindingpb.SetSplitRequest{
		Service: "core.eta", Shares: []*bindingpb.Share{{Version: version, BasisPoints: basisPoints}},
	})
	return err
}

// await waits for a condition and returns how long it took.
func (e *environment) await(limit time.Duration, what string, holds func() bool) time.Duration {
	e.t.Helper()
	start := time.Now()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		if time.Since(start) > limit {
			e.t.Fatalf("want %s within %v; it did not happen", what, limit)
		}
		<-tick.C
	}
	return time.Since(start)
}

// wire is a connection to the broker's port that can be cut.
type wire struct {
	url string

	mu       sync.Mutex
	listener net.Listener
	conns    []net.Conn
	broken   bool
}

func (e *environment) newWire() *wire {
	e.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		e.t.Fatalf("listen: %v", err)
	}
	u, err := url.Parse(e.broker.URL())
	if err != nil {
		e.t.Fatalf("URL of the broker: %v", err)
	}
	u.Host = l.Addr().String()
	w := &wire{url: u.String(), listener: l}
	go w.serve(e.broker.Addr())
	e.t.Cleanup(w.cut)
	return w
}

func (w *wire) serve(to string) {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", to)
		if err != nil {
			_ = near.Close()
			continue
		}
		w.mu.Lock()
		w.conns = append(w.conns, near, far)
		broken := w.broken
		w.mu.Unlock()
		if broken {
			w.cut()
			return
		}
		go pump(near, far)
		go pump(far, near)
	}
}

func pump(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.Close()
	_ = from.Close()
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = true
	_ = w.listener.Close()
	for _, c := range w.conns {
		_ = c.Close()
	}
}
