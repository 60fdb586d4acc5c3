// Package binding is kernel.binding: it turns the registry and the operators'
// splits into bindings. Package app runs it; everybody else calls it over the bus.
//
// # Who applies what
//
// In each zone one instance leads, elected in coord. It applies the bindings of
// the instances that run in its zone, and no others: those of another zone are their
// leader's. Requests go to the nearest of all zones' (the routing rule of package bus), so that a
// split is exact within each zone. What is bound in another zone an instance of that zone is asked,
// over the bus, for operators only.
//
// # What an instance knows
//
// It finds discovery by the event discovery.alive, not by bindings, for at first
// there are none, and asks it directly. The list, and then the events
// discovery.up and discovery.down, make the picture from which the desired
// bindings are computed: a pure function, see desired. The leader applies them
// within milliseconds of a change, and audits from time to time what the bus really has.
//
// # What it does for the engine
//
// Where the bus routes in the engine, as RabbitMQ does, every instance answers what could not be
// routed, and the leader keeps its zone joined to the region's others (bus.Answer, bus.Join).
//
// # No healthy instance is left unbound
//
// An instance that is known or bound here leaves the picture only by
// discovery.down, or when a list lacks it and it does not answer a direct call.
// While discovery cannot be reached the picture stays as it is, and
// before there is a first list nothing is applied.
package binding

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/coord"
	"github.com/hansom-platform/hansom/platform"
	bindingpb "github.com/hansom-platform/hansom/proto/kernel/binding"
)

// Name is the service's name.
const Name = "kernel.binding"

// discoveryName is the name of the service that says what runs.
const discoveryName = "kernel.discovery"

// Config holds the intervals. The zero value of a field means the default in brackets.
type Config struct {
	Audit time.Duration // between comparisons of what is bound with what should be (30 s)
	Probe time.Duration // for the answer of an instance that discovery does not list (1 s)
	Stats time.Duration // for the answer of an instance that is asked for what it served (1 s)
}

func (c Config) withDefaults() Config {
	return Config{
		Audit: orDefault(c.Audit, 30*time.Second),
		Probe: orDefault(c.Probe, time.Second),
		Stats: orDefault(c.Stats, time.Second),
	}
}

func orDefault[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}

// lost is how long an instance of kernel.binding goes without heartbeats before it
// registers again.
const lost = 60 * time.Second

// binding is one instance of the service.
type binding struct {
	config    Config
	coord     *coord.Coord
	svc       *platform.Service
	log       *slog.Logger
	picture   *picture
	splits    *splits
	discovery *finder
	reading   *reading
	suspicion chan struct{} // holds a token while the picture may lack something
	drifted   atomic.Uint64 // bindings that an audit found wrong, since the start
}

// New returns an instance of kernel.binding that keeps splits in c and is elected
// there. c stays the caller's and is closed after Run has returned.
func New(c *coord.Coord, config Config, opts ...platform.Option) *platform.Service {
	b := &binding{
		config:  config.withDefaults(),
		coord:   c,
		picture: newPicture(),

		suspicion: make(chan struct{}, 1),
	}
	b.splits = newSplits(b.picture.touch)
	defaults := []platform.Option{platform.Owner("platform"), platform.Timing(platform.Timings{Lost: lost})}
	opts = append(defaults, opts...)
	b.svc = platform.New(Name, append(opts, platform.RegisterWith(registry{b}))...)
	b.log = b.svc.Logger()
	b.discovery = newFinder(b.svc)
	b.reading = &reading{read: func(ctx context.Context) ([]bus.Binding, error) { return b.svc.Bus().Bindings(ctx, b.zone()) }}
	bindingpb.RegisterBinding(b.svc, b)
	b.svc.Subscribe(platform.Subscription{Topic: "discovery.*"}, b.heard)
	b.svc.Background(b.discovery.search)
	b.svc.Background(b.watchSplits)
	b.svc.Background(b.keepUp)
	b.svc.Background(b.campaign)
	b.svc.Background(b.answer)
	return b.svc
}

func (b *binding) zone() platform.Zone { return b.svc.Zone() }

// election is the name of the leadership of this zone.
func (b *binding) election() string {
	z := b.zone()
	return "binding/" + z.Region + "/" + z.Zone
}

func (b *binding) campaign(ctx context.Context) error {
	return b.coord.Lead(ctx, b.election(), b.svc.ID(), b.lead)
}
