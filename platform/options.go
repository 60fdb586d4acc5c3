package platform

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"time"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/platform/auth"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
)

// Option configures a Service.
type Option interface{ applyService(*config) }

// ClientOption configures a Client.
type ClientOption interface{ applyClient(*config) }

// SharedOption configures either.
type SharedOption interface {
	Option
	ClientOption
}

type config struct {
	owner       string
	version     string
	zone        bus.Zone
	overlay     string
	concurrency int
	middleware  []Middleware
	logger      *slog.Logger
	credential  *auth.Credential
	issuer      TokenIssuer
	token       func(ctx context.Context) (string, error)
	authorise   Authoriser
	registry    Registry
	timings     Timings

	configSource ConfigSource
	configCache  string
}

func newConfig() config {
	c := config{
		version:     BuildVersion(),
		zone:        bus.Zone{Region: "local", Zone: "a"},
		overlay:     os.Getenv("HANSOM_OVERLAY"),
		concurrency: 1000,
		logger:      slog.Default(),
		authorise:   DefaultAuthoriser,
		configCache: defaultConfigCache(),
	}
	if r := os.Getenv("HANSOM_REGION"); r != "" {
		c.zone.Region = r
	}
	if z := os.Getenv("HANSOM_ZONE"); z != "" {
		c.zone.Zone = z
	}
	return c
}

type serviceOption func(*config)

func (o serviceOption) applyService(c *config) { o(c) }

type clientOption func(*config)

func (o clientOption) applyClient(c *config) { o(c) }

type sharedOption func(*config)

func (o sharedOption) applyService(c *config) { o(c) }
func (o sharedOption) applyClient(c *config)  { o(c) }

// Owner says who to ask about the service: an address or a channel.
func Owner(contact string) Option {
	return serviceOption(func(c *config) { c.owner = contact })
}

var word = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

func mustBeWord(what, s string) {
	if !word.MatchString(s) {
		panic(fmt.Sprintf("platform: %s %q: want letters, digits and . _ -", what, s))
	}
}

// Version sets the version of the service's code, a word that sorts by time. The
// default is BuildVersion.
func Version(v string) Option {
	mustBeWord("version", v)
	return serviceOption(func(c *config) { c.version = v })
}

// Place says where the instance runs. The default is HANSOM_REGION and
// HANSOM_ZONE, and local/a where they are not set.
func Place(z bus.Zone) Option {
	mustBeWord("region", z.Region)
	mustBeWord("zone", z.Zone)
	return serviceOption(func(c *config) { c.zone = z })
}

// Overlay sets the label under which a service registers, so that it gets only
// requests that carry the same label; a client's calls carry it where their
// context has none. The default is HANSOM_OVERLAY.
func Overlay(label string) SharedOption {
	if label != "" {
		mustBeWord("overlay", label)
	}
	return sharedOption(func(c *config) { c.overlay = label })
}

// Concurrency limits how many requests are handled at once; what comes beyond is
// refused at once with Unavailable. The default is 1,000.
func Concurrency(n int) Option {
	if n < 1 {
		panic(fmt.Sprintf("platform: Concurrency(%d): want at least 1", n))
	}
	return serviceOption(func(c *config) { c.concurrency = n })
}

// Use adds middleware around what is served and called, the first outermost.
func Use(mw ...Middleware) SharedOption {
	return sharedOption(func(c *config) { c.middleware = append(c.middleware, mw...) })
}

// Logger sets the logger, to which the platform adds service, instance and trace
// ids. The default is slog.Default() as it is when the service is made.
func Logger(l *slog.Logger) SharedOption {
	if l == nil {
		panic("platform: Logger(nil)")
	}
	return sharedOption(func(c *config) { c.logger = l })
}

// Authorise replaces DefaultAuthoriser.
func Authorise(a Authoriser) Option {
	return serviceOption(func(c *config) { c.authorise = a })
}

// Registry lists and unlists instances. Where a discovery instance asked for the
// registration, the context is addressed to it: see Addressee.
type Registry interface {
	Register(ctx context.Context, i *discoverypb.Instance) error
	Deregister(ctx context.Context, instance string) error
}

// RegisterWith replaces the default registry, which calls kernel.discovery over the
// bus. Unless Timings.Lost is set, no heartbeats are expected then.
func RegisterWith(r Registry) Option {
	return serviceOption(func(c *config) { c.registry = r })
}

// Timing replaces the default timings, and those of an earlier Timing, field by
// field where not zero.
func Timing(t Timings) Option {
	return serviceOption(func(c *config) {
		c.timings = Timings{
			Lost:     orDefault(t.Lost, c.timings.Lost),
			MaxLost:  orDefault(t.MaxLost, c.timings.MaxLost),
			Settle:   orDefault(t.Settle, c.timings.Settle),
			Drain:    orDefault(t.Drain, c.timings.Drain),
			Register: orDefault(t.Register, c.timings.Register),
		}
	})
}

// Timings are the intervals of an instance's life. The zero value of a field means
// the default in brackets.
type Timings struct {
	Lost     time.Duration // without a heartbeat for so long, the instance re-registers, then reconnects (60 s; negative: never)
	MaxLost  int           // so many times in a row, then Run gives up (5)
	Settle   time.Duration // keeps taking requests after it deregistered, until clients have seen it go (100 ms)
	Drain    time.Duration // limit for finishing what is under way (60 s)
	Register time.Duration // longest pause between attempts to register (500 ms)
}

func (t Timings) withDefaults(heartbeats bool) Timings {
	lost := 60 * time.Second
	if !heartbeats {
		lost = -1
	}
	return Timings{
		Lost:     orDefault(t.Lost, lost),
		MaxLost:  orDefault(t.MaxLost, 5),
		Settle:   orDefault(t.Settle, 100*time.Millisecond),
		Drain:    orDefault(t.Drain, 60*time.Second),
		Register: orDefault(t.Register, 500*time.Millisecond),
	}
}

func orDefault[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}
