package binding_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/coord"
	"github.com/hansom-platform/hansom/coord/driver"
	"github.com/hansom-platform/hansom/coord/memcoord"
	"github.com/hansom-platform/hansom/kernel/binding"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/platformtest"
	hansompb "github.com/hansom-platform/hansom/proto/hansom"
	bindingpb "github.com/hansom-platform/hansom/proto/kernel/binding"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
)

// zone is a bus and a coordination engine in memory and in virtual time, with a
// registry that the test can make forget.
type zone struct {
	t         *testing.T
	env       *platformtest.Env
	engine    *memcoord.Engine
	bus       *bus.Bus
	client    *bindingpb.BindingClient
	discovery *registry
	conns     map[*platform.Service]driver.Coord
}

func inZone(t *testing.T, f func(t *testing.T, z *zone)) {
	t.Helper()
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		z := &zone{
			t: t, env: env, engine: memcoord.New(), bus: env.Bus(platformtest.Local),
			client: bindingpb.NewBindingClient(env.Client()),
			conns:  map[*platform.Service]driver.Coord{},
		}
		z.discovery = z.newRegistry()
		f(t, z)
	}, platformtest.WithoutDiscovery())
}

// registry stands in for kernel.discovery: a list without heartbeats.
type registry struct {
	svc *platform.Service

	mu        sync.Mutex
	instances []*discoverypb.Instance
}

func (z *zone) newRegistry() *registry {
	z.t.Helper()
	r := &registry{}
	r.svc = platform.New("kernel.discovery", platform.RegisterWith(own{r}), platform.Logger(z.env.Logger()), platform.Place(platformtest.Local))
	discoverypb.RegisterDiscovery(r.svc, r)
	r.svc.Subscribe(platform.Subscription{Topic: "discovery.who"}, func(ctx context.Context, _ *platform.Event) error {
		return r.svc.PublishEvent(ctx, "discovery.alive", &discoverypb.Alive{
			Instance: r.svc.ID(), Region: r.svc.Zone().Region, Zone: r.svc.Zone().Zone,
		})
	})
	z.env.Start(r.svc)
	return r
}

type own struct{ r *registry }

func (o own) Register(ctx context.Context, i *discoverypb.Instance) error {
	_, err := o.r.Register(ctx, &discoverypb.RegisterRequest{Instance: i})
	return err
}

func (o own) Deregister(ctx context.Context, id string) error {
	_, err := o.r.Deregister(ctx, &discoverypb.DeregisterRequest{Instance: id})
	return err
}

func (r *registry) Register(ctx context.Context, m *discoverypb.RegisterRequest) (*discoverypb.RegisterResponse, error) {
	r.forget(m.GetInstance().GetId())
	r.mu.Lock()
	r.instances = append(r.instances, m.GetInstance())
	r.mu.Unlock()
	return &discoverypb.RegisterResponse{}, r.svc.PublishEvent(ctx, "discovery.up", &discoverypb.InstanceEvent{Instance: m.GetInstance()})
}

func (r *registry) Deregister(ctx context.Context, m *discoverypb.DeregisterRequest) (*discoverypb.DeregisterResponse, error) {
	i := r.forget(m.GetInstance())
	if i == nil {
		return &discoverypb.DeregisterResponse{}, nil
	}
	return &discoverypb.DeregisterResponse{}, r.svc.PublishEvent(ctx, "discovery.down", &discoverypb.InstanceEvent{Instance: i})
}

func (r *registry) Instances(context.Context, *discoverypb.InstancesRequest) (*discoverypb.InstancesResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	response := &discoverypb.InstancesResponse{}
	for _, i := range r.instances {
		response.Registrations = append(response.Registrations, &discoverypb.Registration{Instance: i})
	}
	return response, nil
}

// forget drops an instance from the list without telling anybody.
func (r *registry) forget(id string) *discoverypb.Instance {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := slices.IndexFunc(r.instances, func(i *discoverypb.Instance) bool { return i.GetId() == id })
	if at < 0 {
		return nil
	}
	i := r.instances[at]
	r.instances = slices.Delete(r.instances, at, at+1)
	return i
}

// binding starts an instance of kernel.binding.
func (z *zone) binding() *platform.Service {
	z.t.Helper()
	return z.bindingIn(platformtest.Local)
}

func (z *zone) bindingIn(place bus.Zone) *platform.Service {
	z.t.Helper()
	conn := z.engine.Open()
	svc := binding.New(coord.New(conn), binding.Config{}, platform.Logger(z.env.Logger()), platform.Place(place))
	z.conns[svc] = conn
	z.env.Start(svc)
	z.await(15*time.Second, func() string {
		all, err := z.bus.Bindings(z.t.Context(), place)
		if err != nil || !slices.ContainsFunc(all, func(b bus.Binding) bool { return b.Instance == svc.ID() }) {
			return fmt.Sprintf("%s to be bound, got %v, %v", svc.ID(), all, err)
		}
		return ""
	})
	return svc
}

// kill ends an instance of kernel.binding as kill -9 does.
func (z *zone) kill(svc *platform.Service) {
	z.t.Helper()
	z.engine.Sever(z.conns[svc])
	z.env.Kill(svc)
	z.t.Cleanup(func() { _ = z.conns[svc].Close(context.Background()) })
}

// eta returns n instances of core.eta of a version, not yet started.
func (z *zone) eta(version string, n int, opts ...platform.Option) []*platform.Service {
	var all []*platform.Service
	for range n {
		all = append(all, platform.New("core.eta", append([]platform.Option{
			platform.Logger(z.env.Logger()), platform.Place(platformtest.Local), platform.Version(version),
		}, opts...)...))
	}
	return all
}

// bound returns the bindings of core.eta as "version=weight" sorted, from the bus.
func (z *zone) bound() []string {
	z.t.Helper()
	all, err := z.bus.Bindings(z.t.Context(), platformtest.Local)
	if err != nil {
		z.t.Fatalf("list the bindings: %v", err)
	}
	var words []string
	for _, b := range all {
		if b.Service == "core.eta" {
			words = append(words, fmt.Sprintf("%s=%d", b.Version, b.Weight))
		}
	}
	slices.Sort(words)
	return words
}

func (z *zone) awaitBound(limit time.Duration, want ...string) time.Duration {
	z.t.Helper()
	return z.await(limit, func() string {
		if got := z.bound(); !slices.Equal(got, want) {
			return fmt.Sprintf("bindings %v of core.eta, got %v", want, got)
		}
		return ""
	})
}

// await waits until nothing is lacking any more, and returns how long that took.
func (z *zone) await(limit time.Duration, lacks func() string) time.Duration {
	z.t.Helper()
	start := time.Now()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		lack := lacks()
		if lack == "" {
			return time.Since(start)
		}
		if time.Since(start) > limit {
			z.t.Fatalf("within %v want %s", limit, lack)
		}
		<-tick.C
	}
}

// always checks for so long that nothing is lacking.
func (z *zone) always(limit time.Duration, lacks func() string) {
	z.t.Helper()
	start := time.Now()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for time.Since(start) < limit {
		if lack := lacks(); lack != "" {
			z.t.Fatalf("after %v want %s", time.Since(start), lack)
		}
		<-tick.C
	}
}

// split sets the split of core.eta, given as "version=percent".
func (z *zone) split(shares ...string) *bindingpb.SetSplitResponse {
	z.t.Helper()
	response, err := z.client.SetSplit(z.t.Context(), &bindingpb.SetSplitRequest{Service: "core.eta", Shares: sharesOf(shares...)})
	if err != nil {
		z.t.Fatalf("set the split %v: %v", shares, err)
	}
	return response
}

func sharesOf(shares ...string) []*bindingpb.Share {
	var all []*bindingpb.Share
	for _, share := range shares {
		version, value, _ := strings.Cut(share, "=")
		percent, err := strconv.ParseUint(value, 10, 16)
		if err != nil {
			panic(err)
		}
		all = append(all, &bindingpb.Share{Version: version, BasisPoints: uint32(percent) * 100})
	}
	return all
}

// call calls core.eta once, as routed, and returns the version that answered.
func (z *zone) call(ctx context.Context) (string, error) {
	var by platform.ServedBy
	err := z.env.ClientAs("core.caller").Call(platform.CaptureServedBy(ctx, &by),
		platform.Builtin("core.eta", platform.EndpointHealth), &hansompb.HealthRequest{}, new(hansompb.HealthResponse))
	return by.Version, err
}
