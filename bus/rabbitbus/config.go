package rabbitbus

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

const (
	defaultHeartbeat = 2 * time.Second
	portPlain        = "5672"
	portTLS          = "5671"

	portManagement    = "15672"
	portManagementTLS = "15671"
)

// Config says where the broker is and who connects.
type Config struct {
	// URL of the broker, with user, password and virtual host: amqp://user:password@host:5672/vhost,
	// or amqps. Without a path, or with "/", it is the virtual host "/".
	URL string
	// Zone is where this connection routes from. Its broker must be one of that zone.
	Zone driver.Zone
	// Name is shown in the broker's list of connections.
	Name string
	// Management is the base URL of the broker's management API, with user and password
	// (those of URL, on port 15672 of its host; https on 15671 for amqps). Only binding services use it.
	Management string
	// Zones are the brokers' URLs in the region's other zones. Only binding services use them.
	Zones map[string][]string
	// Heartbeat is how often the broker must be heard of, in whole seconds: it counts as gone after one
	// and a half times that (2 s).
	Heartbeat time.Duration
	// TLS is used with amqps (the system's certificates).
	TLS *tls.Config
	// Dialer opens the socket (net.Dialer).
	Dialer func(ctx context.Context, network, address string) (net.Conn, error)
	// Logger hears about lost connections and unreadable messages (slog.Default).
	Logger *slog.Logger
}

// ParseURL reads
//
//	amqp://user:password@host:5672/vhost?region=eu-west-1&zone=a&name=core.eta&heartbeat=2s&management=http://…&zones=FILE
//	amqps://user:password@host:5671/vhost?cacert=FILE&cert=FILE&key=FILE&server_name=NAME&…
//
// Every parameter may be left out; an unknown one is an error. management and zones are for the
// binding service: zones names a JSON file with the brokers of the region's other zones,
// {"b": ["amqp://user:password@b1", "amqp://user:password@b2"]}. Without a user, amqps with a
// client certificate logs in by that (the plugin rabbitmq_auth_mechanism_ssl). No error shows the password.
func ParseURL(raw string) (Config, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return Config{}, badURL("it cannot be read: want amqp://user:password@host:port/vhost and parameters") // err shows the password
	}
	if u.Scheme != "amqp" && u.Scheme != "amqps" {
		return Config{}, badURL("scheme %q: want amqp or amqps", u.Scheme)
	}
	if u.Hostname() == "" || u.Fragment != "" || strings.Count(u.EscapedPath(), "/") > 1 {
		return Config{}, badURL("want %s://user:password@host:port/vhost and parameters, got %s", u.Scheme, redacted(u))
	}
	c := Config{Heartbeat: defaultHeartbeat}
	if err := c.parameters(u); err != nil {
		return Config{}, err
	}
	if c.Management == "" {
		c.Management = defaultManagement(u).String()
	}
	u.RawQuery = ""
	c.URL = u.String()
	return c, nil
}

// otherZones are Zones without the own one, which the same file may list for all brokers of a region.
func (c *Config) otherZones() map[string][]string {
	others := maps.Clone(c.Zones)
	delete(others, c.Zone.Zone)
	return others
}

// defaultManagement is the management API beside a broker: over TLS where the broker is, as it gets the same password.
func defaultManagement(broker *url.URL) *url.URL {
	scheme, port := "http", portManagement
	if broker.Scheme == "amqps" {
		scheme, port = "https", portManagementTLS
	}
	return &url.URL{Scheme: scheme, User: broker.User, Host: net.JoinHostPort(broker.Hostname(), port)}
}

// redacted shows neither the password nor the parameters, where management's may be.
func redacted(u *url.URL) string {
	bare := *u
	bare.RawQuery = ""
	return bare.Redacted()
}

func (c *Config) parameters(u *url.URL) error {
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return badURL("the parameters cannot be read: escape what is special in them")
	}
	var secured tlsFiles
	for key, all := range values {
		if len(all) > 1 {
			return badURL("parameter %s is given %d times", key, len(all))
		}
		if strings.HasPrefix(key, "c") || key == "key" || key == "server_name" {
			err = secured.set(u.Scheme, key, all[0])
		} else {
			err = c.parameter(key, all[0])
		}
		if err != nil {
			return err
		}
	}
	c.TLS, err = secured.config()
	return err
}

func (c *Config) parameter(key, value string) (err error) {
	switch key {
	case "region":
		c.Zone.Region = value
	case "zone":
		c.Zone.Zone = value
	case "name":
		c.Name = value
	case "management":
		c.Management = value
		if m, err := url.Parse(value); err != nil || (m.Scheme != "http" && m.Scheme != "https") || m.Host == "" {
			return badURL("management: want http://user:password@host:15672, or https")
		}
	case "zones":
		c.Zones, err = readZones(value)
	case "heartbeat":
		c.Heartbeat, err = time.ParseDuration(value)
		if err != nil || c.Heartbeat < time.Second || c.Heartbeat%time.Second != 0 {
			return badURL("heartbeat=%s: want whole seconds, such as 2s", value)
		}
	default:
		return unknownParameter(key)
	}
	return err
}

func unknownParameter(key string) error {
	return badURL("unknown parameter %q: want region, zone, name, management, zones, heartbeat, and for amqps cacert, cert, key, server_name", key)
}

func readZones(path string) (zones map[string][]string, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, badURL("zones: %v", err)
	}
	if err := json.Unmarshal(data, &zones); err != nil {
		return nil, badURL(`zones: %s is not of the form {"zone": ["amqp://…", …], …}: %v`, path, err)
	}
	for zone, urls := range zones {
		for i, raw := range urls {
			u, err := url.Parse(raw)
			if err != nil || (u.Scheme != "amqp" && u.Scheme != "amqps") || u.Hostname() == "" {
				return nil, badURL("zones: %s: address %d of zone %q is no amqp or amqps URL", path, i+1, zone)
			}
		}
	}
	return zones, nil
}

// tlsFiles are the parameters for amqps.
type tlsFiles struct {
	cacert, cert, key, serverName string
	secure                        bool
}

func (t *tlsFiles) set(scheme, key, value string) error {
	switch key {
	case "cacert":
		t.cacert = value
	case "cert":
		t.cert = value
	case "key":
		t.key = value
	case "server_name":
		t.serverName = value
	default:
		return unknownParameter(key)
	}
	if scheme != "amqps" {
		return badURL("parameter %s is for amqps, the URL says %s", key, scheme)
	}
	t.secure = true
	return nil
}

// config returns nil where no parameter was given.
func (t *tlsFiles) config() (*tls.Config, error) {
	if !t.secure {
		return nil, nil
	}
	config := &tls.Config{ServerName: t.serverName, MinVersion: tls.VersionTLS12}
	if t.cacert != "" {
		pem, err := os.ReadFile(t.cacert)
		if err != nil {
			return nil, badURL("cacert: %v", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, badURL("cacert: %s holds no certificate in PEM", t.cacert)
		}
	}
	if t.cert == "" && t.key == "" {
		return config, nil
	}
	pair, err := tls.LoadX509KeyPair(t.cert, t.key)
	if err != nil {
		return nil, badURL("cert and key, which go together: %v", err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}

func badURL(format string, args ...any) error {
	return fault.New(fault.BadRequest, "bus.bad_url", "bus URL: %s", fmt.Sprintf(format, args...))
}
