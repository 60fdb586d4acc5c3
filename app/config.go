package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hansom-platform/hansom/app/broker"
	"github.com/hansom-platform/hansom/app/dial"
	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/gateway"
	"github.com/hansom-platform/hansom/kernel/binding"
	"github.com/hansom-platform/hansom/kernel/config"
	"github.com/hansom-platform/hansom/kernel/discovery"
	"github.com/hansom-platform/hansom/kernel/login"
	"github.com/hansom-platform/hansom/platform/auth"
)

// The defaults of Config.
const (
	DefaultData    = "./data"
	DefaultListen  = ":8080"
	DefaultMetrics = "127.0.0.1:8090"

	DefaultConfigListen = ":8097"
	DefaultEnvironment  = "local"

	DefaultCity = "LON"
)

// Nothing is the listen address of what is not to listen.
const Nothing = "none"

// The engines of an embedded bus.
const (
	EngineNATS     = "nats"
	EngineRabbitMQ = "rabbitmq"
)

// Config says what runs and where. The zero Config is a whole platform on an
// embedded NATS server, with no simulated taxis.
type Config struct {
	// Services run in this app, one instance for each name; a name given twice makes
	// two. Default: every service there is.
	Services []string

	// Bus is the URL of a bus that runs already. Where it is empty, the app embeds
	// one: it keeps its data in Data, which it locks, and listens on BusListen.
	Bus string
	// Engine carries the embedded bus: EngineNATS (the default), EngineRabbitMQ, which is a private
	// RabbitMQ in Data, from the installed packages; or the URL of a RabbitMQ that runs already,
	// amqp:// or amqps://. With RabbitMQ the embedded NATS server remains, for coordination.
	Engine string
	// Coord is the URL of the coordination engine, for the kernel's services.
	// Default: Bus, without its parameters, where that can coordinate: RabbitMQ cannot.
	Coord string

	// Environment is which platform this is: tokens of one are worth nothing in
	// another. Default HANSOM_ENV, else local.
	Environment string
	// Store is the URL of the store, for kernel.config and kernel.login. Default: a
	// file in Data, where the bus is embedded.
	Store string
	// Keys is the file with the environment's keys, for kernel.config and
	// kernel.login. Default: in Data, where the bus is embedded, which makes it on first start.
	Keys string
	// Credential returns the credential of a service, where the app cannot make it with
	// the environment's keys. Default: what HANSOM_IDENTITY names.
	Credential func(ctx context.Context, service string) (*auth.Credential, error)

	Data          string // folder of the embedded bus, store and keys and of admin.json; default DefaultData
	BusListen     string // of the embedded bus; default broker.DefaultListen
	Listen        string // of api.gateway; default DefaultListen
	ConfigListen  string // of kernel.config's HTTP; default DefaultConfigListen; or Nothing
	MetricsListen string // metrics, profiles and health of the process; default DefaultMetrics; or Nothing

	Zone    bus.Zone // default HANSOM_REGION and HANSOM_ZONE, else local and a
	Version string   // of the services; default Version()
	Overlay string   // label of the services, so that they get only requests that carry it

	// Taxis is how many taxis are simulated, through the thin API, in City (default
	// DefaultCity). It needs api.gateway in Services.
	Taxis int
	City  string

	// Drain bounds how long a service may take to finish its requests when the app
	// stops; default 2 s with the embedded bus, which goes down after it, else 60 s.
	Drain time.Duration

	Logger *slog.Logger // default slog.Default()
}

// closing is what stopping may take beside draining services.
const closing = 2500 * time.Millisecond

func (c Config) withDefaults() Config {
	c.Data = cmp.Or(c.Data, DefaultData)
	c.BusListen = cmp.Or(c.BusListen, broker.DefaultListen)
	c.Engine = cmp.Or(c.Engine, EngineNATS)
	c.Listen = cmp.Or(c.Listen, DefaultListen)
	c.ConfigListen = cmp.Or(c.ConfigListen, DefaultConfigListen)
	c.MetricsListen = cmp.Or(c.MetricsListen, DefaultMetrics)
	c.Environment = cmp.Or(c.Environment, os.Getenv("HANSOM_ENV"), DefaultEnvironment)
	c.Zone.Region = cmp.Or(c.Zone.Region, os.Getenv("HANSOM_REGION"), "local")
	c.Zone.Zone = cmp.Or(c.Zone.Zone, os.Getenv("HANSOM_ZONE"), "a")
	c.Version = cmp.Or(c.Version, Version())
	c.City = cmp.Or(c.City, DefaultCity)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	if len(c.Services) == 0 {
		c.Services = Services()
	}
	if c.Drain == 0 {
		c.Drain = 60 * time.Second
		if c.embedded() {
			c.Drain = 2 * time.Second
		}
	}
	if c.Coord == "" && c.Bus != "" {
		c.Coord = withoutParameters(c.Bus)
	}
	if c.Store == "" && c.embedded() {
		c.Store = dial.SQLiteURL(storeFile(c.Data))
	}
	return c
}

// stopLimit bounds how long everything may take to stop.
func (c Config) stopLimit() time.Duration {
	limit := c.Drain + closing
	if c.Engine == EngineRabbitMQ {
		limit += rabbitClosing
	}
	return limit
}

func (c Config) embedded() bool { return c.Bus == "" }

// withoutParameters cuts what is meant for another driver than the one that is
// about to read the URL.
func withoutParameters(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return rawURL
	}
	u.RawQuery = ""
	return u.String()
}

// check finds what cannot be right, before anything starts. c has its defaults.
func (c Config) check() error {
	errs := []error{c.checkServices(), c.checkStored(), c.checkEngine(), c.checkCoord()}
	for _, w := range []struct{ what, value string }{
		{"region", c.Zone.Region}, {"zone", c.Zone.Zone}, {"version", c.Version}, {"overlay", c.Overlay}, {"environment", c.Environment},
	} {
		if err := CheckWord(w.what, w.value); err != nil {
			errs = append(errs, err)
		}
	}
	if c.Taxis < 0 {
		errs = append(errs, fmt.Errorf("%d taxis: want 0 or more", c.Taxis))
	}
	if c.Taxis > 0 && !slices.Contains(c.Services, gateway.Name) {
		errs = append(errs, fmt.Errorf("simulated taxis need %s in the same app", gateway.Name))
	}
	if c.Drain < 0 {
		errs = append(errs, fmt.Errorf("a drain of %s: want 0 or more", c.Drain))
	}
	for _, p := range c.ports() {
		if _, _, err := net.SplitHostPort(p.address); err != nil {
			errs = append(errs, fmt.Errorf("%s %s: want host:port or :port", p.flag, p.address))
		}
	}
	return errors.Join(errs...)
}

func (c Config) checkServices() error {
	var unknown []string
	for _, name := range c.Services {
		if _, ok := catalogue[name]; !ok {
			unknown = append(unknown, strconv.Quote(name))
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	return fmt.Errorf("there is no service %s in this build; there is %s", strings.Join(unknown, ", "), strings.Join(Services(), ", "))
}

// checkStored finds services that lack what only they need.
func (c Config) checkStored() error {
	if c.embedded() {
		return nil
	}
	for _, name := range c.Services {
		if (name == config.Name || name == login.Name) && (c.Store == "" || c.Keys == "") {
			return fmt.Errorf("%s needs the environment's store and keys: say where with --store and --keys", name)
		}
	}
	return nil
}

// checkCoord finds services that coordinate and were told of nothing that can.
func (c Config) checkCoord() error {
	if c.embedded() || !isRabbit(c.Coord) {
		return nil
	}
	for _, name := range c.Services {
		if name == discovery.Name || name == binding.Name || name == gateway.Name {
			return fmt.Errorf("%s needs coordination, which RabbitMQ does not offer: say where it is with --coord nats://user:password@host:4222", name)
		}
	}
	return nil
}

func (c Config) checkEngine() error {
	switch {
	case c.Engine == EngineNATS, c.Engine == EngineRabbitMQ, c.runningRabbit():
		return nil
	}
	return fmt.Errorf("bus %q: want %s, %s, or the URL of a RabbitMQ that runs, such as amqp://user:password@host:5672",
		dial.Redacted(c.Engine), EngineNATS, EngineRabbitMQ)
}

// runningRabbit tells that the embedded platform uses a RabbitMQ that is not its own.
func (c Config) runningRabbit() bool { return isRabbit(c.Engine) }

func isRabbit(rawURL string) bool {
	return strings.HasPrefix(rawURL, "amqp://") || strings.HasPrefix(rawURL, "amqps://")
}

// CheckWord returns an error for a region, zone, version or overlay that cannot be
// one. Empty ones can.
func CheckWord(what, value string) error {
	if strings.ContainsFunc(value, func(r rune) bool { return !wordRune(r) }) {
		return fmt.Errorf("%s %q: want letters, digits and . _ -", what, value)
	}
	return nil
}

func wordRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r)
}
