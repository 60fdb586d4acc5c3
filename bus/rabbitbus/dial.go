package rabbitbus

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

const dialTimeout = 3 * time.Second

// dial opens one AMQP connection, within ctx and dialTimeout.
func (c *Config) dial(ctx context.Context) (*amqp.Connection, *line, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, nil, badURL("it cannot be read")
	}
	socket, err := c.socket(ctx, u)
	if err != nil {
		return nil, nil, err
	}
	l := newLine(socket)
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	deadline, _ := ctx.Deadline()
	_ = l.SetDeadline(deadline) // amqp091-go takes it away after the handshake
	opened, err := amqp.Open(l, c.handshake(u))
	if err != nil {
		_ = l.Close()
		return nil, nil, err
	}
	return opened, l, nil
}

// dialError says why there is no connection.
func (c *Config) dialError(err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return err
	}
	address, explained := "the bus URL's address", "check that RabbitMQ runs there"
	if u, err := url.Parse(c.URL); err == nil {
		address = u.Host
	}
	switch {
	case errors.Is(err, amqp.ErrCredentials), errors.Is(err, amqp.ErrSASL):
		explained = "the broker refused the user or the password of the bus URL"
	case errors.Is(err, amqp.ErrVhost), hasCode(err, amqp.NotAllowed):
		explained = "the broker refused the virtual host of the bus URL: check that it exists and that the user may use it"
	}
	return fault.Wrap(err, fault.Unavailable, driver.ReasonDisconnected, "cannot connect to the bus at %s: %s", address, explained)
}

func (c *Config) socket(ctx context.Context, u *url.URL) (net.Conn, error) {
	port := portPlain
	if u.Scheme == "amqps" {
		port = portTLS
	}
	if u.Port() != "" {
		port = u.Port()
	}
	open := c.Dialer
	if open == nil {
		open = new(net.Dialer).DialContext
	}
	socket, err := open(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil || u.Scheme != "amqps" {
		return socket, err
	}
	secured := tls.Client(socket, c.tlsConfig(u.Hostname()))
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = socket.Close()
		return nil, err
	}
	return secured, nil
}

func (c *Config) tlsConfig(host string) *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.TLS != nil {
		config = c.TLS.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = host
	}
	return config
}

func (c *Config) handshake(u *url.URL) amqp.Config {
	heartbeat := c.Heartbeat
	if heartbeat == 0 {
		heartbeat = defaultHeartbeat
	}
	properties := amqp.NewConnectionProperties()
	properties["product"] = "Hansom"
	if c.Name != "" {
		properties["connection_name"] = c.Name
	}
	return amqp.Config{SASL: credentials(u), Vhost: vhost(u), Heartbeat: heartbeat, Properties: properties, Locale: "en_US"}
}

func credentials(u *url.URL) []amqp.Authentication {
	if u.User == nil && u.Scheme == "amqps" {
		return []amqp.Authentication{&amqp.ExternalAuth{}}
	}
	password, _ := u.User.Password()
	return []amqp.Authentication{&amqp.PlainAuth{Username: u.User.Username(), Password: password}}
}

func vhost(u *url.URL) string {
	name := strings.TrimPrefix(u.Path, "/")
	if name == "" {
		return "/"
	}
	return name
}
