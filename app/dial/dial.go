// Package dial opens the bus and coordination by URL. It holds the one map from
// a URL's scheme to a driver: a driver that is not listed here does not exist.
// Package app and programs that run a service of their own import it.
//
//	svc := platform.New("core.eta")
//	platform.Main(svc, dial.Bus)
//
// Errors are faults: BadRequest for a URL that cannot be right, Unavailable
// where the engine does not answer.
package dial

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hansom-platform/hansom/bus"
	busdriver "github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/bus/natsbus"
	"github.com/hansom-platform/hansom/bus/rabbitbus"
	"github.com/hansom-platform/hansom/coord"
	coorddriver "github.com/hansom-platform/hansom/coord/driver"
	"github.com/hansom-platform/hansom/coord/natscoord"
	"github.com/hansom-platform/hansom/fault"
)

// The drivers, by scheme.
var (
	buses = map[string]func(ctx context.Context, d Dialer, rawURL string, z bus.Zone) (busdriver.Bus, error){
		"nats":  natsBus,
		"tls":   natsBus,
		"amqp":  rabbitBus,
		"amqps": rabbitBus,
	}
	coords = map[string]func(ctx context.Context, rawURL string) (coorddriver.Coord, error){
		"nats": natsCoord,
		"tls":  natsCoord,
	}
)

// Dialer says how to connect beside what the URL says. The zero Dialer dials the
// URL.
type Dialer struct {
	Name   string                     // of the bus connection, shown by the engine in its list
	Inside nats.InProcessConnProvider // an embedded server, which the bus reaches without a socket; the URL gives user and password
	Logger *slog.Logger               // default slog.Default()

	LeaderTTL time.Duration // how long leadership outlives its holder; default coord.DefaultLeadershipTTL
}

// Bus opens the bus at rawURL, routing from zone z. Parameters of the URL that the
// driver does not know are an error; its region and zone, where given, win over z.
func Bus(ctx context.Context, rawURL string, z bus.Zone) (*bus.Bus, error) {
	return Dialer{}.Bus(ctx, rawURL, z)
}

// Coord opens the coordination engine at rawURL.
func Coord(ctx context.Context, rawURL string) (*coord.Coord, error) {
	return Dialer{}.Coord(ctx, rawURL)
}

// Bus is as the function Bus.
func (d Dialer) Bus(ctx context.Context, rawURL string, z bus.Zone) (*bus.Bus, error) {
	open, err := choose(buses, "bus", rawURL)
	if err != nil {
		return nil, err
	}
	b, err := open(ctx, d, rawURL, z)
	if err != nil {
		return nil, err
	}
	return bus.New(b), nil
}

// Coord is as the function Coord.
func (d Dialer) Coord(ctx context.Context, rawURL string) (*coord.Coord, error) {
	open, err := choose(coords, "coordination", rawURL)
	if err != nil {
		return nil, err
	}
	c, err := open(ctx, rawURL)
	if err != nil {
		return nil, err
	}
	return coord.New(c,
		coord.Logger(cmp.Or(d.Logger, slog.Default())),
		coord.LeadershipTTL(cmp.Or(d.LeaderTTL, coord.DefaultLeadershipTTL))), nil
}

// choose finds the driver of a URL. The URL may hold a password: errors do not show it.
func choose[T any](drivers map[string]T, what, rawURL string) (T, error) {
	var none T
	scheme, _, ok := strings.Cut(rawURL, "://")
	known := strings.Join(slices.Sorted(maps.Keys(drivers)), ", ")
	if !ok {
		return none, fault.New(fault.BadRequest, "dial.bad_url",
			"the %s URL has no scheme: want one such as nats://user:password@host:4222; there is %s", what, known)
	}
	open, ok := drivers[scheme]
	if !ok {
		return none, fault.New(fault.BadRequest, "dial.unknown_scheme",
			"the %s URL has the scheme %q, for which there is no driver; there is %s", what, scheme, known)
	}
	return open, nil
}

func natsBus(ctx context.Context, d Dialer, rawURL string, z bus.Zone) (busdriver.Bus, error) {
	config, err := natsbus.ParseURL(rawURL)
	if err != nil {
		return nil, err
	}
	config.Zone.Region = cmp.Or(config.Zone.Region, z.Region)
	config.Zone.Zone = cmp.Or(config.Zone.Zone, z.Zone)
	config.Name = cmp.Or(config.Name, d.Name, "hansom bus")
	config.InProcess = d.Inside
	config.Logger = d.Logger
	return natsbus.Open(ctx, config)
}

func rabbitBus(ctx context.Context, d Dialer, rawURL string, z bus.Zone) (busdriver.Bus, error) {
	config, err := rabbitbus.ParseURL(rawURL)
	if err != nil {
		return nil, err
	}
	config.Zone.Region = cmp.Or(config.Zone.Region, z.Region)
	config.Zone.Zone = cmp.Or(config.Zone.Zone, z.Zone)
	config.Name = cmp.Or(config.Name, d.Name, "hansom bus")
	config.Logger = d.Logger
	return rabbitbus.Open(ctx, config)
}

// CheckKeeper finds out that kernel.binding can do its work on the bus at rawURL, which the bus as others use it does not tell:
// on RabbitMQ it needs the management API.
func CheckKeeper(ctx context.Context, rawURL string) error {
	if scheme, _, _ := strings.Cut(rawURL, "://"); scheme != "amqp" && scheme != "amqps" {
		return nil
	}
	config, err := rabbitbus.ParseURL(rawURL)
	if err != nil {
		return err
	}
	return rabbitbus.CheckManagement(ctx, config)
}

func natsCoord(ctx context.Context, rawURL string) (coorddriver.Coord, error) {
	return natscoord.Open(ctx, rawURL)
}

// Redacted is rawURL without its passwords, for messages and logs: its own, and that of a
// URL among its parameters.
func Redacted(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "(unreadable URL)"
	}
	if rawURL == u.Scheme+"://" {
		return rawURL // net/url would write it without the slashes
	}
	if u.RawQuery == "" {
		return u.Redacted()
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		u.RawQuery = "(unreadable)"
		return u.Redacted()
	}
	for _, values := range q {
		for i, v := range values {
			if inner, err := url.Parse(v); err != nil {
				values[i] = "(unreadable)"
			} else if inner.User != nil {
				values[i] = inner.Redacted()
			}
		}
	}
	u.RawQuery = q.Encode()
	return u.Redacted()
}
