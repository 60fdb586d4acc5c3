// Package broker is the NATS server with JetStream inside this process: the
// engine of the bus and of coordination where nothing is installed. Package app
// starts it; a Config with only a folder runs.
//
// It listens on loopback, for the services that run as processes of their own
// and for the command line; the parts of this process connect without a socket
// (InProcessConn). User and password are made once and kept in the folder,
// readable by its owner only. What is in the folder survives restarts, also
// after a kill.
package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// DefaultListen is where NATS programs expect a server.
const DefaultListen = "127.0.0.1:4222"

const (
	serverName   = "hansom"
	maxPayload   = 2 << 20 // above the bus's largest body and its metadata
	maxMemory    = 64 << 20
	maxStore     = 4 << 30
	syncInterval = time.Second // between writes to the disk: what a power failure may cost; a kill costs nothing
	startTimeout = 8 * time.Second
	readyTimeout = time.Second
	closeTimeout = 2 * time.Second
	authTimeout  = 2 // seconds
)

// Config says where the server keeps its data and where it listens.
type Config struct {
	// Dir holds credentials and the store. It is made, mode 0700, where missing.
	Dir string
	// Listen is host:port; port 0 takes a free one. Default DefaultListen.
	Listen string
	// Logger hears warnings and errors of the server. Default slog.Default().
	Logger *slog.Logger
}

// Broker is a running server. Close it.
type Broker struct {
	server      *server.Server
	credentials Credentials
	log         *logger
}

// Start runs the server and returns when it takes connections and JetStream is
// up. Its errors say what to do where the port is taken, the store belongs to a
// running server or cannot be read.
func Start(ctx context.Context, config Config) (*Broker, error) {
	if config.Listen == "" {
		config.Listen = DefaultListen
	}
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	if config.Dir == "" {
		return nil, errors.New("start NATS: no folder to keep its data in")
	}
	if err := os.MkdirAll(config.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("start NATS: make its folder: %w", err)
	}
	if err := forgetExpiries(config.Dir); err != nil {
		return nil, fmt.Errorf("start NATS: %w", err)
	}
	credentials, err := loadCredentials(filepath.Join(config.Dir, "credentials.json"))
	if err != nil {
		return nil, err
	}
	options, err := serverOptions(config, credentials)
	if err != nil {
		return nil, err
	}
	b := &Broker{credentials: credentials, log: newLogger(config.Logger)}
	if b.server, err = server.NewServer(options); err != nil {
		return nil, fmt.Errorf("start NATS on %s: %w", config.Listen, err)
	}
	b.server.SetLoggerV2(b.log, false, false, false)
	if err := b.start(ctx, config); err != nil {
		_ = b.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	return b, nil
}

func serverOptions(config Config, credentials Credentials) (*server.Options, error) {
	host, portText, err := net.SplitHostPort(config.Listen)
	if err != nil {
		return nil, fmt.Errorf("start NATS: listen address %q: want host:port, such as %s", config.Listen, DefaultListen)
	}
	port, err := strconv.Atoi(portText)
	if err != nil || port < 0 || port > 65535 {
		return nil, fmt.Errorf("start NATS: listen address %q: the port must be a number from 0 to 65535", config.Listen)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	return &server.Options{
		ServerName:                 serverName,
		Host:                       host,
		Port:                       port,
		CustomClientAuthentication: credentials,
		AuthTimeout:                authTimeout,
		MaxPayload:                 maxPayload,
		JetStream:                  true,
		StoreDir:                   config.Dir, // the server adds a folder "jetstream"
		JetStreamMaxMemory:         maxMemory,
		JetStreamMaxStore:          maxStore,
		SyncInterval:               syncInterval,
		NoSystemAccount:            true,
		NoSigs:                     true,
	}, nil
}

func (b *Broker) start(ctx context.Context, config Config) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	started := make(chan struct{})
	go func() {
		b.server.Start() // returns when it listens, or after a fatal error
		close(started)
	}()
	select {
	case <-started:
	case <-ctx.Done():
		return fmt.Errorf("start NATS on %s with the data in %s: not ready: %w; its last words: %s",
			config.Listen, config.Dir, ctx.Err(), b.log.lastWords())
	}
	select {
	case err := <-b.log.fatal:
		return explain(err, config)
	default:
	}
	b.log.settled()
	if !b.server.ReadyForConnections(readyTimeout) || !b.server.JetStreamEnabled() {
		return fmt.Errorf("start NATS on %s with the data in %s: it does not take connections; its last words: %s",
			config.Listen, config.Dir, b.log.lastWords())
	}
	return nil
}

// explain turns what stopped the server into what to do about it.
func explain(err error, config Config) error {
	var path *os.PathError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("start NATS: %s is in use by another program", config.Listen)
	case errors.Is(err, syscall.EACCES) && errors.As(err, &path):
		return fmt.Errorf("start NATS: its store in %s cannot be read or written: %w; check its owner and mode", config.Dir, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EACCES):
		return fmt.Errorf("start NATS: cannot listen on %s: %w", config.Listen, err)
	}
	return fmt.Errorf("start NATS with the data in %s: %w; if the store is damaged, move the folder away to begin with an empty one",
		config.Dir, err)
}

// Addr is where the server listens.
func (b *Broker) Addr() string { return b.server.Addr().String() }

// URL connects to the server over TCP. It holds the password.
func (b *Broker) URL() string {
	u := url.URL{Scheme: "nats", Host: b.Addr(), User: url.UserPassword(b.credentials.User, b.credentials.Password)}
	return u.String()
}

// InProcessConn connects to the server without a socket
// (nats.InProcessConnProvider). User and password are needed as well.
func (b *Broker) InProcessConn() (net.Conn, error) { return b.server.InProcessConn() }

// Failed delivers the error that the server could not live on with.
func (b *Broker) Failed() <-chan error { return b.log.fatal }

// Check returns nil while the server runs and JetStream is enabled.
func (b *Broker) Check(context.Context) error {
	switch {
	case !b.server.Running():
		return errors.New("the NATS server does not run")
	case !b.server.JetStreamEnabled():
		return fmt.Errorf("JetStream is disabled; the server's last words: %s", b.log.lastWords())
	}
	return nil
}

// Close stops the server: connections are cut, the store is written. It returns
// within two seconds; an error tells that the server was still busy then.
func (b *Broker) Close(ctx context.Context) error {
	b.log.mute()
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	done := make(chan struct{})
	go func() {
		b.server.Shutdown()
		b.server.WaitForShutdown()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop NATS: %w", ctx.Err())
	}
}
