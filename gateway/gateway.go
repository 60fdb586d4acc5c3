// Package gateway is the thin API: HTTP in, bus out. App runs one per process
// that is to have it; nobody else imports it.
//
// A request for /v1/customer/neardrivers goes to the endpoint neardrivers of the
// service api.v1.customer, and the answer of that service goes back. POST /rpc
// calls any endpoint of any service, for users whose roles that service accepts. The
// gateway itself answers /, /status, /version and /.well-known/jwks.json.
//
// A session in the request is exchanged for the user's token at kernel.login, once;
// the token goes along, and the services decide by it. Limits follow the configuration
// at hansom.gateway while the gateway runs.
//
// Every answer carries X-Request-Id, the id of the trace that the request
// started, and every refusal is a problem (RFC 9457) with a code and a reason.
// Reasons made here begin with "gateway.". The gateway believes nothing that a
// client says of itself but what decides its cohort; what names a trace, a caller
// or a route inside the platform is dropped.
//
// All methods of a Gateway may be called concurrently, Run once.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/auth"
	"github.com/hansom-platform/hansom/platform/telemetry"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

// Name is the gateway's name as a service.
const Name = "api.gateway"

const (
	// maxBody leaves room below the bus's 1 MiB for the request's header.
	maxBody = 960 << 10
	// minSalt keeps a salt from being guessed (NIST SP 800-107 §5.3.2).
	minSalt = 16
)

// Config says how a Gateway listens and what it puts up with. Zero values mean the
// defaults in brackets.
type Config struct {
	Listen      string        // address of the API (:8080)
	Salt        []byte        // of cohorts, secret and the same for all gateways of an environment; at least 16 bytes, required
	Budget      time.Duration // for a request, from when its body was read (5 s), unless hansom.gateway.timeout is configured
	BodyLimit   int           // in bytes; 960 KiB at most (960 KiB), unless hansom.gateway.body_limit is
	Concurrency int           // requests handled at once, and as many whose bodies are arriving; what comes beyond is refused at once (1,000), unless hansom.gateway.concurrency is
	Settle      time.Duration // goes on accepting for so long after /status turned 503, for load balancers that look only now and then (0)
	Drain       time.Duration // limit for finishing what is under way after that (the budget)
	Read        time.Duration // limit for reading a request, header and body (15 s)
	Logger      *slog.Logger  // (the service's)
}

// Gateway is one thin API.
type Gateway struct {
	svc      *platform.Service
	outsider *platform.Client // without the gateway's identity
	sessions *sessions
	limits   atomic.Pointer[limits]
	config   Config
	log      *slog.Logger
	server   *http.Server
	load     *telemetry.Metrics // of all endpoints together

	receiving atomic.Int64 // requests whose bodies are arriving
	busy      atomic.Int64 // requests being handled
	templates sync.Map     // paths where a service has answered

	draining atomic.Bool
	address  atomic.Pointer[string]
	ready    chan struct{}
}

// Service returns the instance to make a Gateway of.
func Service(opts ...platform.Option) *platform.Service {
	opts = append([]platform.Option{platform.Owner("platform")}, opts...)
	return platform.New(Name, opts...)
}

// New returns a gateway that calls as svc, which Service made and Run will run.
func New(svc *platform.Service, c Config) (*Gateway, error) {
	if svc == nil || svc.Name() != Name {
		return nil, fmt.Errorf("make a gateway: it needs a service named %s; make it with gateway.Service", Name)
	}
	c, err := c.withDefaults(svc)
	if err != nil {
		return nil, fmt.Errorf("make a gateway: %w", err)
	}
	g := &Gateway{
		svc:      svc,
		outsider: svc.As(platform.Operator),
		sessions: newSessions(loginpb.NewLoginClient(svc).Exchange, func(token string) (*auth.User, error) { return svc.Verifier().User(token) }),
		config:   c,
		log:      slog.New(telemetry.NewLogHandler(c.Logger.Handler())),
		load:     telemetry.EndpointMetrics(telemetry.SideServer, Name, endpointAll),
		ready:    make(chan struct{}),
	}
	if c.Logger == svc.Logger() {
		g.log = c.Logger
	}
	start := c.limits()
	g.limits.Store(&start)
	g.server = g.newServer()
	g.followConfig()
	svc.Check("keys", g.checkKeys)
	return g, nil
}

func (c Config) withDefaults(svc *platform.Service) (Config, error) {
	if len(c.Salt) < minSalt {
		return c, fmt.Errorf("the salt has %d bytes, want at least %d random ones, kept for as long as the environment lives", len(c.Salt), minSalt)
	}
	if c.BodyLimit > maxBody {
		return c, fmt.Errorf("the body limit is %d bytes, the bus takes %d at most", c.BodyLimit, maxBody)
	}
	if c.BodyLimit < 0 || c.Budget < 0 || c.Concurrency < 0 || c.Settle < 0 || c.Drain < 0 || c.Read < 0 {
		return c, errors.New("no limit may be negative")
	}
	c.Listen = orDefault(c.Listen, ":8080")
	c.Budget = orDefault(c.Budget, 5*time.Second)
	c.BodyLimit = orDefault(c.BodyLimit, maxBody)
	c.Concurrency = orDefault(c.Concurrency, 1000)
	c.Drain = orDefault(c.Drain, c.Budget)
	c.Read = orDefault(c.Read, 15*time.Second)
	c.Logger = orDefault(c.Logger, svc.Logger())
	return c, c.limits().check()
}

func orDefault[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}

// followConfig has the limits follow the service's configuration.
func (g *Gateway) followConfig() {
	values := g.svc.Config()
	values.OnChange(configKey, func() { g.configure(values) })
	g.svc.OnStart(func(context.Context) error {
		g.configure(values)
		return nil
	})
}

// checkKeys says in health that no session can be verified.
func (g *Gateway) checkKeys(context.Context) error {
	if !g.svc.Verifier().HasKeys() {
		return fault.New(fault.Unavailable, "gateway.no_keys", "no keys were heard from kernel.login: requests with a session are refused")
	}
	return nil
}

// Ready is closed when the gateway listens.
func (g *Gateway) Ready() <-chan struct{} { return g.ready }

// Addr returns the address that the gateway listens on, "" before it is ready.
func (g *Gateway) Addr() string {
	if a := g.address.Load(); a != nil {
		return *a
	}
	return ""
}

// Handler returns what answers requests, for tests without a listener.
func (g *Gateway) Handler() http.Handler { return http.HandlerFunc(g.serve) }
