package discovery_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/coord"
	"github.com/hansom-platform/hansom/coord/driver"
	"github.com/hansom-platform/hansom/coord/memcoord"
	"github.com/hansom-platform/hansom/kernel/discovery"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/platformtest"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
)

// region is a bus and a coordination engine in memory and in virtual time, with
// discovery instances that the test starts and kills.
type region struct {
	t      *testing.T
	env    *platformtest.Env
	engine *memcoord.Engine
	bus    *bus.Bus
	client *discoverypb.DiscoveryClient
	conns  map[*platform.Service]driver.Coord
	bound  []bus.Binding

	mu     sync.Mutex
	events []string
}

func inRegion(t *testing.T, f func(t *testing.T, r *region)) {
	t.Helper()
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		r := &region{
			t: t, env: env, engine: memcoord.New(), bus: env.Bus(platformtest.Local),
			client: discoverypb.NewDiscoveryClient(env.Client()),
			conns:  map[*platform.Service]driver.Coord{},
		}
		r.listen("discovery.up")
		r.listen("discovery.down")
		f(t, r)
	}, platformtest.WithoutDiscovery())
}

// listen notes the events of a topic, such as "up core.eta-1".
func (r *region) listen(topic string) {
	r.t.Helper()
	sub, err := r.bus.Subscribe(r.t.Context(), bus.Subscription{Topic: topic}, func(_ context.Context, e *bus.Event) error {
		m := new(discoverypb.InstanceEvent)
		if err := proto.Unmarshal(e.Message.Body, m); err != nil {
			return err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		note := topic[len("discovery."):] + " " + m.GetInstance().GetId()
		if m.GetReason() != "" {
			note += ": " + m.GetReason()
		}
		r.events = append(r.events, note)
		return nil
	})
	if err != nil {
		r.t.Fatalf("subscribe to %s: %v", topic, err)
	}
	r.t.Cleanup(func() { _ = sub.Close() })
}

// told returns what was noted of one instance.
func (r *region) told(id string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, note := range r.events {
		if about(note, id) {
			all = append(all, note)
		}
	}
	return all
}

func about(note, id string) bool {
	return note == "up "+id || len(note) > len("down "+id) && note[:len("down "+id)] == "down "+id
}

// discovery starts a discovery instance and binds it, so that instances can
// register as they usually do.
func (r *region) discovery() *platform.Service {
	r.t.Helper()
	conn := r.engine.Open()
	svc := discovery.New(coord.New(conn), discovery.Config{}, platform.Logger(r.env.Logger()), platform.Place(platformtest.Local))
	r.conns[svc] = conn
	r.env.Start(svc)
	r.bound = append(r.bound, bus.Binding{
		Service: discovery.Name, Instance: svc.ID(), Version: svc.Version(),
		Region: svc.Zone().Region, Zone: svc.Zone().Zone, Weight: 100,
	})
	r.bind()
	return svc
}

func (r *region) bind() {
	r.t.Helper()
	if err := r.bus.Apply(r.t.Context(), platformtest.Local, r.bound); err != nil {
		r.t.Fatalf("apply bindings: %v", err)
	}
}

// kill ends a discovery instance as kill -9 does: on the bus at once, in coord
// when its session is over.
func (r *region) kill(svc *platform.Service) {
	r.t.Helper()
	r.engine.Sever(r.conns[svc])
	r.env.Kill(svc)
	r.t.Cleanup(func() { _ = r.conns[svc].Close(context.Background()) })
	r.bound = slices.DeleteFunc(r.bound, func(b bus.Binding) bool { return b.Instance == svc.ID() })
	r.bind()
}

// start starts n instances of core.eta and returns them.
func (r *region) start(n int) []*platform.Service {
	r.t.Helper()
	var all []*platform.Service
	for range n {
		all = append(all, platform.New("core.eta", platform.Logger(r.env.Logger()), platform.Place(platformtest.Local)))
	}
	r.env.Start(all...)
	return all
}

// owners returns who looks after each instance of core.eta, as svc says.
func (r *region) owners(svc *platform.Service) map[string]string {
	r.t.Helper()
	response, err := r.client.Instances(platform.To(r.t.Context(), svc.ID()), &discoverypb.InstancesRequest{Service: "core.eta"})
	if err != nil {
		r.t.Fatalf("list the instances that %s knows: %v", svc.ID(), err)
	}
	owners := map[string]string{}
	for _, listed := range response.GetRegistrations() {
		owners[listed.GetInstance().GetId()] = listed.GetDiscovery()
	}
	return owners
}

func (r *region) listed(svc *platform.Service, id string) bool {
	_, ok := r.owners(svc)[id]
	return ok
}

// await waits until a condition holds and fails the test after a limit of
// virtual time. It returns how long it took, to about 10 ms.
func (r *region) await(limit time.Duration, what string, holds func() bool) time.Duration {
	r.t.Helper()
	start := time.Now()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		if time.Since(start) > limit {
			r.t.Fatalf("want %s within %v; it did not happen", what, limit)
		}
		<-tick.C
	}
	return time.Since(start)
}

// always checks a condition every 10 ms of virtual time for so long.
func (r *region) always(limit time.Duration, what string, holds func() bool) {
	r.t.Helper()
	start := time.Now()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for time.Since(start) < limit {
		if !holds() {
			r.t.Fatalf("want %s all the time; it did not hold after %v", what, time.Since(start))
		}
		<-tick.C
	}
}

func ids(services []*platform.Service) []string {
	var all []string
	for _, s := range services {
		all = append(all, s.ID())
	}
	slices.Sort(all)
	return all
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// instance is a hand-made registration.
func instance(n int) *discoverypb.Instance {
	return &discoverypb.Instance{
		Id: fmt.Sprintf("core.eta-%d", n), Service: "core.eta", Version: "1",
		Region: platformtest.Local.Region, Zone: platformtest.Local.Zone,
		Started: timestamppb.New(time.Unix(int64(n), 0)),
	}
}

func (r *region) register(svc *platform.Service, i *discoverypb.Instance) {
	r.t.Helper()
	if _, err := r.client.Register(platform.To(r.t.Context(), svc.ID()), &discoverypb.RegisterRequest{Instance: i}); err != nil {
		r.t.Fatalf("register %s: %v", i.GetId(), err)
	}
}
