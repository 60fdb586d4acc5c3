package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/hansom-platform/hansom/app/broker"
	"github.com/hansom-platform/hansom/app/dial"
	"github.com/hansom-platform/hansom/coord"
	"github.com/hansom-platform/hansom/gateway"
	"github.com/hansom-platform/hansom/kernel/binding"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/telemetry"
	hansompb "github.com/hansom-platform/hansom/proto/hansom"
	bindingpb "github.com/hansom-platform/hansom/proto/kernel/binding"
)

const (
	boundInterval     = 20 * time.Millisecond
	boundIntervalMost = 200 * time.Millisecond
	boundLimit        = time.Second // for one answer
	boundPatience     = 5 * time.Second

	// embeddedLeaderTTL is short, because an engine in this process cannot be cut
	// off from it: after a kill, the next start need not wait long for the leadership of the dead.
	embeddedLeaderTTL = 2 * time.Second
)

// stages is what runs, in the order of starting. Stages without parts are left out.
func (a *App) stages() []stage {
	engine := a.bus()
	if a.config.MetricsListen != Nothing {
		engine = append(engine, part{name: "metrics", run: a.runMetrics})
	}
	if a.needsStore() {
		engine = append(engine, part{name: "store", run: a.runStore})
	}
	var kernel, seed, services, gateways, drivers stage
	for _, name := range a.config.Services {
		p := part{name: name, run: func(ctx context.Context, ready func()) error { return a.runService(ctx, name, ready) }}
		switch {
		case isKernel(name):
			kernel = append(kernel, p)
		case name == gateway.Name:
			gateways = append(gateways, p)
		default:
			services = append(services, p)
		}
	}
	if a.config.embedded() && a.demo() {
		seed = append(seed, part{name: "demo configuration", run: a.runSeed})
	}
	if a.config.Taxis > 0 {
		drivers = append(drivers, part{name: "simulated taxis", run: a.runTaxis})
	}
	all := []stage{engine, kernel, seed, services, gateways, drivers}
	return slices.DeleteFunc(all, func(s stage) bool { return len(s) == 0 })
}

// bus is the embedded bus, or finds out that the given one can be reached.
func (a *App) bus() stage {
	nats := part{name: "embedded NATS", run: a.runBroker}
	switch {
	case !a.config.embedded():
		return stage{{name: "bus", run: func(ctx context.Context, ready func()) error {
			a.note(func(admin *Admin) { admin.Bus, admin.Coord = a.config.Bus, a.config.Coord })
			return a.reachBus(ctx, ready)
		}}}
	case a.config.Engine == EngineRabbitMQ:
		return stage{nats, {name: "private RabbitMQ", run: a.runRabbit}}
	case a.config.runningRabbit():
		return stage{nats, {name: "bus", run: func(ctx context.Context, ready func()) error {
			a.note(func(admin *Admin) { admin.Bus = a.config.Engine })
			return a.reachBus(ctx, ready)
		}}}
	}
	return stage{nats}
}

// reachBus finds out that a bus which is not the app's own can be reached, and kept by kernel.binding where that runs here.
func (a *App) reachBus(ctx context.Context, ready func()) error {
	b, err := a.dialer("hansom")(ctx)
	if err != nil {
		return err
	}
	_ = b.Close(ctx)
	if slices.Contains(a.config.Services, binding.Name) {
		if err := dial.CheckKeeper(ctx, a.Admin().Bus); err != nil {
			return fmt.Errorf("%s needs more of it: %w", binding.Name, err)
		}
	}
	ready()
	<-ctx.Done()
	return nil
}

func (a *App) runBroker(ctx context.Context, ready func()) error {
	b, err := broker.Start(ctx, broker.Config{Dir: busFolder(a.config.Data), Listen: a.config.BusListen, Logger: a.log})
	if err != nil {
		return err
	}
	a.mu.Lock()
	a.broker = b
	a.admin.Coord, a.admin.PID = b.URL(), pid
	a.admin.Region, a.admin.Zone = a.config.Zone.Region, a.config.Zone.Zone
	if a.config.Engine == EngineNATS {
		a.admin.Bus = b.URL()
	}
	a.mu.Unlock()
	defer telemetry.Health("bus", b.Check)()
	ready()
	select {
	case <-ctx.Done():
		return b.Close(context.WithoutCancel(ctx))
	case err := <-b.Failed():
		return errors.Join(err, b.Close(context.WithoutCancel(ctx)))
	}
}

func (a *App) runMetrics(ctx context.Context, ready func()) error {
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", a.config.MetricsListen)
	if err != nil {
		return err
	}
	a.note(func(admin *Admin) { admin.Metrics = baseURL(l.Addr().String()) })
	server := &http.Server{Handler: telemetry.Handler(), ReadHeaderTimeout: 5 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	ready()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// runService runs one instance. It is ready when it is registered and bound.
func (a *App) runService(ctx context.Context, name string, ready func()) error {
	opts, err := a.options(ctx, name)
	if err != nil {
		return err
	}
	i, err := catalogue[name](ctx, a, opts)
	if err != nil {
		return err
	}
	if i.close != nil {
		defer i.close()
	}
	a.mu.Lock()
	a.instances = append(a.instances, i.service.ID())
	a.mu.Unlock()
	defer telemetry.Health(i.service.ID(), i.healthy)()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		if a.awaitBound(ctx, i) {
			ready()
		}
	}()
	return i.run(ctx, a.dialer(name))
}

// healthy asks the instance over the bus.
func (i *instance) healthy(ctx context.Context) error {
	health := platform.Builtin(i.service.Name(), platform.EndpointHealth)
	response := new(hansompb.HealthResponse)
	caller := i.service.As(platform.Operator)
	if err := caller.Call(platform.To(ctx, i.service.ID()), health, &hansompb.HealthRequest{}, response); err != nil {
		return err
	}
	var errs []error
	for _, c := range response.GetChecks() {
		if !c.GetHealthy() {
			errs = append(errs, fmt.Errorf("%s: %s", c.GetName(), c.GetMessage()))
		}
	}
	return errors.Join(errs...)
}

// awaitBound returns true when the bus has a binding for the instance, as kernel.binding
// says: a service's own user of a broker may not read bindings. An instance of kernel.binding is
// asked as any other: that one is bound is shown by the answer.
func (a *App) awaitBound(ctx context.Context, i *instance) bool {
	select {
	case <-i.ready:
	case <-ctx.Done():
		return false
	}
	tick := time.NewTimer(boundInterval)
	defer tick.Stop()
	patience := time.NewTimer(boundPatience)
	defer patience.Stop()
	for wait := boundInterval; ; {
		bound, err := a.bound(ctx, i.service)
		if bound {
			return true
		}
		select {
		case <-tick.C:
			wait = min(2*wait, boundIntervalMost)
			tick.Reset(wait)
		case <-patience.C:
			a.log.Warn("the instance is registered but not bound: does kernel.binding run in its zone?",
				"instance", i.service.ID(), "region", a.config.Zone.Region, "zone", a.config.Zone.Zone, "error", err)
		case <-ctx.Done():
			return false
		}
	}
}

func (a *App) bound(ctx context.Context, s *platform.Service) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, boundLimit)
	defer cancel()
	z := s.Zone()
	answer, err := bindingpb.NewBindingClient(s).IsBound(ctx, &bindingpb.IsBoundRequest{Instance: s.ID(), Region: z.Region, Zone: z.Zone})
	return answer.GetBound(), err
}

// openCoord connects one of the kernel's services, or the thin API.
func (a *App) openCoord(ctx context.Context) (*coord.Coord, error) {
	url := a.Admin().Coord
	d := dial.Dialer{Logger: a.log}
	if a.config.embedded() {
		d.LeaderTTL = embeddedLeaderTTL
	}
	c, err := d.Coord(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("connect to coordination at %s: %w", dial.Redacted(url), err)
	}
	return c, nil
}
