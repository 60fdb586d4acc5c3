package platformtest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	hansompb "github.com/hansom-platform/hansom/proto/hansom"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
)

// What kernel.discovery does by default.
const (
	heartbeatInterval = 10 * time.Second
	maxMissed         = 3
)

const defaultWeight = 100

// registry stands in for kernel.discovery and the binding service: what registers
// is bound at once, what deregisters or misses its heartbeats is unbound.
type registry struct {
	env     *Env
	control *bus.Bus // applies the bindings
	service *platform.Service

	mu        sync.Mutex
	instances []*listed // in the order of their registration
	weights   map[weighed]uint32
}

type listed struct {
	*discoverypb.Instance
	missed uint32
}

type weighed struct{ service, version string }

func newRegistry(e *Env) *registry {
	return &registry{env: e, weights: map[weighed]uint32{}}
}

// discovery returns the service kernel.discovery, served by r.
func (r *registry) discovery() *platform.Service {
	r.control = r.env.Bus(Local)
	r.service = platform.New("kernel.discovery", platform.RegisterWith(local{r}), platform.Logger(r.env.log),
		platform.Timing(platform.Timings{Settle: time.Nanosecond}))
	discoverypb.RegisterDiscovery(r.service, r)
	r.service.Background(r.beat)
	return r.service
}

// local registers kernel.discovery itself.
type local struct{ *registry }

// Register implements platform.Registry.
func (l local) Register(ctx context.Context, i *discoverypb.Instance) error { return l.add(ctx, i) }

// Deregister implements platform.Registry.
func (l local) Deregister(ctx context.Context, id string) error {
	return l.remove(ctx, id, "deregistered")
}

// Register implements discoverypb.DiscoveryServer.
func (r *registry) Register(ctx context.Context, m *discoverypb.RegisterRequest) (*discoverypb.RegisterResponse, error) {
	if m.GetInstance().GetId() == "" || m.GetInstance().GetService() == "" {
		return nil, fault.New(fault.BadRequest, "kernel.discovery.register.no_id", "an instance needs an id and a service")
	}
	if err := r.add(ctx, m.GetInstance()); err != nil {
		return nil, err
	}
	return &discoverypb.RegisterResponse{
		Discovery: r.service.ID(), HeartbeatInterval: durationpb.New(heartbeatInterval),
	}, nil
}

// Deregister implements discoverypb.DiscoveryServer.
func (r *registry) Deregister(ctx context.Context, m *discoverypb.DeregisterRequest) (*discoverypb.DeregisterResponse, error) {
	return &discoverypb.DeregisterResponse{}, r.remove(ctx, m.GetInstance(), "deregistered")
}

// Instances implements discoverypb.DiscoveryServer.
func (r *registry) Instances(_ context.Context, m *discoverypb.InstancesRequest) (*discoverypb.InstancesResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	response := &discoverypb.InstancesResponse{}
	for _, i := range r.instances {
		if matches(m.GetService(), i.GetService()) && matches(m.GetZone(), i.GetZone()) {
			response.Registrations = append(response.Registrations, &discoverypb.Registration{
				Instance: i.Instance, Discovery: r.service.ID(), Missed: i.missed,
			})
		}
	}
	return response, nil
}

func matches(wanted, got string) bool { return wanted == "" || wanted == got }

func (r *registry) add(ctx context.Context, i *discoverypb.Instance) error {
	r.mu.Lock()
	known := slices.IndexFunc(r.instances, func(l *listed) bool { return l.GetId() == i.GetId() })
	if known >= 0 {
		r.instances[known] = &listed{Instance: i}
	} else {
		r.instances = append(r.instances, &listed{Instance: i})
	}
	err := r.bind(ctx, zoneOf(i))
	r.mu.Unlock()
	if err != nil || known >= 0 {
		return err
	}
	return r.service.PublishEvent(ctx, "discovery.up", &discoverypb.InstanceEvent{Instance: i})
}

func (r *registry) remove(ctx context.Context, id, reason string) error {
	r.mu.Lock()
	known := slices.IndexFunc(r.instances, func(l *listed) bool { return l.GetId() == id })
	if known < 0 {
		r.mu.Unlock()
		return nil
	}
	gone := r.instances[known].Instance
	r.instances = slices.Delete(r.instances, known, known+1)
	err := r.bind(ctx, zoneOf(gone))
	r.mu.Unlock()
	if err != nil {
		return err
	}
	return r.service.PublishEvent(ctx, "discovery.down", &discoverypb.InstanceEvent{Instance: gone, Reason: reason})
}

func (r *registry) weigh(ctx context.Context, service, version string, weight uint32) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.weights[weighed{service, version}] = weight
	var errs []error
	for _, i := range r.instances {
		if i.GetService() == service && i.GetVersion() == version {
			errs = append(errs, r.bind(ctx, zoneOf(i.Instance)))
		}
	}
	return errors.Join(errs...)
}

func zoneOf(i *discoverypb.Instance) bus.Zone {
	return bus.Zone{Region: i.GetRegion(), Zone: i.GetZone()}
}

// bind makes the instances of z its bindings. The caller holds the lock.
func (r *registry) bind(ctx context.Context, z bus.Zone) error {
	var bindings []bus.Binding
	for _, i := range r.instances {
		if zoneOf(i.Instance) == z {
			bindings = append(bindings, r.binding(i.Instance))
		}
	}
	return r.control.Apply(ctx, z, bindings)
}

func (r *registry) binding(i *discoverypb.Instance) bus.Binding {
	b := bus.Binding{
		Service: i.GetService(), Instance: i.GetId(), Version: i.GetVersion(),
		Region: i.GetRegion(), Zone: i.GetZone(), Weight: defaultWeight,
	}
	if w, ok := r.weights[weighed{b.Service, b.Version}]; ok {
		b.Weight = w
	}
	if i.GetOverlay() != "" {
		b.Match = map[string]string{bus.HeaderOverlay: i.GetOverlay()}
	}
	return b
}

// beat sends heartbeats until ctx ends.
func (r *registry) beat(ctx context.Context) error {
	tick := time.NewTicker(heartbeatInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for _, i := range r.others() {
			r.beatOne(ctx, i)
		}
	}
}

func (r *registry) others() []*listed {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.instances), func(i *listed) bool { return i.GetId() == r.service.ID() })
}

func (r *registry) beatOne(ctx context.Context, i *listed) {
	endpoint := platform.Builtin(i.GetService(), platform.EndpointHeartbeat)
	request := &hansompb.HeartbeatRequest{Discovery: r.service.ID(), Interval: durationpb.New(heartbeatInterval)}
	err := r.service.Call(platform.To(ctx, i.GetId()), endpoint, request, new(hansompb.HeartbeatResponse))
	r.mu.Lock()
	if err == nil {
		i.missed = 0
	} else {
		i.missed++
	}
	gone := i.missed >= maxMissed
	r.mu.Unlock()
	if !gone {
		return
	}
	if err := r.remove(ctx, i.GetId(), "missed 3 heartbeats"); err != nil {
		r.env.log.WarnContext(ctx, "an instance without heartbeats was not unbound", "instance", i.GetId(), "error", err)
	}
}
