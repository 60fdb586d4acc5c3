package natsbus

import (
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// Config says where the engine is and who connects. The zero Config connects to
// nats://127.0.0.1:4222.
type Config struct {
	// URL of the server, with user and password: nats://user:password@host:4222.
	// Further servers of a cluster are learnt from the first.
	URL string
	// InProcess is an embedded server to connect to without a socket. URL then
	// only gives user and password.
	InProcess nats.InProcessConnProvider
	// Zone is where this connection routes from.
	Zone driver.Zone
	// Name is shown in the server's list of connections.
	Name string
	// Replicas of the streams and the bucket when this connection is the first to
	// need them (1). A cluster of three wants 3.
	Replicas int
	// Dialer opens the socket (net.Dialer).
	Dialer nats.CustomDialer
	// Options are applied last.
	Options []nats.Option
	// Logger hears about lost connections and unreadable messages (slog.Default).
	Logger *slog.Logger
}

// ParseURL reads nats://user:password@host:4222?region=eu-west-1&zone=a&name=core.eta&replicas=3,
// or the same with tls://. Every parameter may be left out; an unknown one is an error.
func ParseURL(raw string) (Config, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return Config{}, badURL("%v", err)
	}
	if u.Scheme != "nats" && u.Scheme != "tls" {
		return Config{}, badURL("scheme %q: want nats or tls", u.Scheme)
	}
	if u.Hostname() == "" || (u.Path != "" && u.Path != "/") || u.Fragment != "" {
		return Config{}, badURL("want nats://user:password@host:port and parameters, got %s", u.Redacted())
	}
	c := Config{Replicas: 1}
	if err := c.parameters(u.RawQuery); err != nil {
		return Config{}, err
	}
	u.RawQuery, u.Path = "", ""
	c.URL = u.String()
	return c, nil
}

func (c *Config) parameters(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return badURL("parameters: %v", err)
	}
	for key, all := range values {
		value := all[len(all)-1]
		if len(all) > 1 {
			return badURL("parameter %s is given %d times", key, len(all))
		}
		switch key {
		case "region":
			c.Zone.Region = value
		case "zone":
			c.Zone.Zone = value
		case "name":
			c.Name = value
		case "replicas":
			c.Replicas, err = strconv.Atoi(value)
			if err != nil || c.Replicas < 1 || c.Replicas > 5 {
				return badURL("replicas=%s: want 1 to 5", value)
			}
		default:
			return badURL("unknown parameter %q: want region, zone, name or replicas", key)
		}
	}
	return nil
}

func (c *Config) dialer(timeout time.Duration) nats.CustomDialer {
	if c.Dialer != nil {
		return c.Dialer
	}
	return &net.Dialer{Timeout: timeout}
}

func badURL(format string, args ...any) error {
	return fault.New(fault.BadRequest, "bus.bad_url", "bus URL: %s", fmt.Sprintf(format, args...))
}
