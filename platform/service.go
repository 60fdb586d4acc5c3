package platform

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/platform/auth"
	hansompb "github.com/hansom-platform/hansom/proto/hansom"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
	"github.com/hansom-platform/hansom/proto/rpc"
)

// Service is one instance of a service: it serves endpoints, and as the Client
// that it embeds it calls those of others. It is an rpc.Registrar and an
// rpc.Caller.
type Service struct {
	*Client

	config  config
	started time.Time
	replies replyHeaders
	routes  map[string]*route
	handle  Handler // what serves a decoded request, middleware around it; nil without any

	configuration *configuration
	settings      settings

	checks        []check
	subscriptions []subscription
	onStart       []func(ctx context.Context) error
	background    []func(ctx context.Context) error
	onStop        []func(ctx context.Context)

	heartbeats bool // of kernel.discovery are to be expected

	verifier atomic.Pointer[auth.Verifier]
	denials  denialLog
	inflight atomic.Int64
	running  atomic.Bool
	draining atomic.Bool
	lastBeat atomic.Int64 // Unix nanoseconds of the last heartbeat
	ready    chan struct{}
}

var (
	_ rpc.Registrar = (*Service)(nil)
	_ rpc.Caller    = (*Service)(nil)
)

var serviceName = regexp.MustCompile(`^(api|orchestration|core|kernel)(\.[a-z][a-z0-9]*)+$`)

type subscription struct {
	bus.Subscription
	handle bus.EventHandler
}

// New returns an instance of the named service. It panics on mistakes of the
// program: a bad name or a bad option.
func New(name string, opts ...Option) *Service {
	if !serviceName.MatchString(name) {
		panic(fmt.Sprintf("platform.New: service name %q: want a tier (api, orchestration, core, kernel) and lower-case words, such as \"core.eta\"", name))
	}
	cfg := newConfig()
	for _, o := range opts {
		o.applyService(&cfg)
	}
	s := &Service{
		config:  cfg,
		started: time.Now(),
		routes:  make(map[string]*route),
		ready:   make(chan struct{}),
	}
	s.Client = newClient(name, &cfg)
	s.configure()
	s.replies = newReplyHeaders(s.instance + " " + cfg.version + " " + cfg.zone.Zone)
	if len(cfg.middleware) > 0 {
		s.handle = chain(cfg.middleware, invoke)
	}
	if s.heartbeats = s.config.registry == nil; s.heartbeats {
		s.config.registry = discoveryRegistry{discoverypb.NewDiscoveryClient(s)}
	}
	if cfg.issuer != nil {
		s.verifier.Store(cfg.issuer.Verifier())
	}
	s.registerBuiltins()
	return s
}

// newInstanceID names an instance: the service and a UUIDv7 (RFC 9562 §5.7), so
// that ids sort by the time they were made.
func newInstanceID(name string) string {
	return name + "-" + uuid.Must(uuid.NewV7()).String()
}

// Handle serves e with h. It panics when e is of another service, is registered
// already, or Run has begun: mistakes of the program.
func (s *Service) Handle(e *rpc.Endpoint, h rpc.Handler) {
	s.addRoute(newRoute(s, e, h))
}

// HandleHTTP serves the named endpoint with an ordinary http.Handler, for
// services of the API tier. The request's URL is the original path and query,
// and its context carries what every request carries. Bodies are held in memory
// and limited to bus.MaxBody both ways. It panics as Handle does.
func (s *Service) HandleHTTP(endpoint string, h http.Handler, opts ...EndpointOption) {
	s.addRoute(newRoute(s, httpEndpoint(s.name, endpoint, opts), serveHTTP(h)))
}

// Subscribe has Run receive events, before the instance registers. The context of
// h carries the trace, cohort and overlay of the publisher. h's error has the event
// redelivered where the subscription has a group, and is logged where it has none.
func (s *Service) Subscribe(sub bus.Subscription, h func(ctx context.Context, e *bus.Event) error) {
	s.mustNotRun("Subscribe")
	s.subscriptions = append(s.subscriptions, subscription{sub, s.eventHandler(h)})
}

// Check adds a health check to the built-in endpoint health. It may take two
// seconds.
func (s *Service) Check(name string, f func(ctx context.Context) error) {
	s.mustNotRun("Check")
	s.checks = append(s.checks, check{name, f})
}

// OnStart has Run call f once the bus is connected and the subscriptions are open,
// before the instance registers: the place to warm up. An error ends Run.
func (s *Service) OnStart(f func(ctx context.Context) error) {
	s.mustNotRun("OnStart")
	s.onStart = append(s.onStart, f)
}

// Background has Run run f beside the handlers, from when OnStart is done until
// the drain begins, which ends its context. An error ends Run, after a drain.
func (s *Service) Background(f func(ctx context.Context) error) {
	s.mustNotRun("Background")
	s.background = append(s.background, f)
}

// OnStop has Run call f once nothing is handled any more and the connection to the
// bus is closed, also where the start failed: the place to close what handlers use.
// The last one given is called first; together they may take five seconds.
func (s *Service) OnStop(f func(ctx context.Context)) {
	s.mustNotRun("OnStop")
	s.onStop = append(s.onStop, f)
}

func (s *Service) mustNotRun(what string) {
	if s.running.Load() {
		panic(fmt.Sprintf("platform: %s of %s was called after Run", what, s.name))
	}
}

func (s *Service) addRoute(r *route) {
	s.mustNotRun("Handle")
	if r.endpoint.Service != s.name {
		panic(fmt.Sprintf("platform: service %s cannot serve endpoint %s of %s", s.name, r.endpoint.Name, r.endpoint.Service))
	}
	if _, ok := s.routes[r.endpoint.Name]; ok {
		panic(fmt.Sprintf("platform: endpoint %s of %s is registered already or built in", r.endpoint.Name, s.name))
	}
	s.routes[r.endpoint.Name] = r
}

// Ready is closed when the instance has registered for the first time.
func (s *Service) Ready() <-chan struct{} { return s.ready }

// ID returns the instance's id, which is also the name of its queue.
func (s *Service) ID() string { return s.instance }

// Version returns the version of the service's code.
func (s *Service) Version() string { return s.config.version }

// Zone returns where the instance runs.
func (s *Service) Zone() bus.Zone { return s.config.zone }

// Bus returns the connection, nil before Run and replaced when Run reconnects. It is
// for the binding service; others call and publish.
func (s *Service) Bus() *bus.Bus { return s.bus.Load() }

// Instance describes the instance as it registers.
func (s *Service) Instance() *discoverypb.Instance {
	host, _ := os.Hostname() // only a hint for operators
	return &discoverypb.Instance{
		Id:        s.instance,
		Service:   s.name,
		Version:   s.config.version,
		Region:    s.config.zone.Region,
		Zone:      s.config.zone.Zone,
		Overlay:   s.config.overlay,
		Owner:     s.config.owner,
		Host:      host,
		Pid:       uint32(os.Getpid()),
		Started:   timestamppb.New(s.started),
		Endpoints: s.endpointSchemas(),
	}
}

func (s *Service) endpointSchemas() []*hansompb.EndpointSchema {
	var all []*hansompb.EndpointSchema
	for _, r := range s.sortedRoutes() {
		if !r.builtin {
			all = append(all, r.schema())
		}
	}
	return all
}
