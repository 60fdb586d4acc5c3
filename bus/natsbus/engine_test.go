package natsbus

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/bus/drivertest"
)

// engine is an embedded NATS server that can be restarted on its address and data.
type engine struct {
	tb      testing.TB
	options server.Options
	memory  bool // connect in process instead of by TCP

	mu      sync.Mutex
	server  *server.Server
	cables  map[driver.Bus]*cable
	severed bool // no connection is let through
}

func startEngine(tb testing.TB) *engine {
	tb.Helper()
	e := newEngine(tb)
	e.run()
	return e
}

func newEngine(tb testing.TB) *engine {
	return &engine{tb: tb, cables: map[driver.Bus]*cable{}, options: optionsOf(settings{server.RANDOM_PORT, tb.TempDir()})}
}

func (e *engine) run() {
	e.tb.Helper()
	if err := e.start(); err != nil {
		e.tb.Fatal(err)
	}
	e.tb.Cleanup(e.stop)
}

func (e *engine) start() error {
	options := e.options
	s, err := server.NewServer(&options)
	if err != nil {
		return err
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		return errors.New("NATS did not start within 10 s")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.server = s
	e.options.Port = s.Addr().(*net.TCPAddr).Port
	return nil
}

func (e *engine) current() *server.Server {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.server
}

func (e *engine) stop() {
	s := e.current()
	s.Shutdown()
	s.WaitForShutdown()
}

func (e *engine) Restart(context.Context) error {
	e.stop()
	return e.start()
}

// InProcessConn connects to whichever server runs now.
func (e *engine) InProcessConn() (net.Conn, error) { return e.current().InProcessConn() }

func (e *engine) url() string {
	s := e.current()
	return "nats://hansom:secret@" + s.Addr().String()
}

func (e *engine) config(z driver.Zone) Config {
	return Config{URL: e.url(), Zone: z, Name: e.tb.Name(), Logger: slog.New(slog.DiscardHandler)}
}

func (e *engine) Open(ctx context.Context, z driver.Zone) (driver.Bus, error) {
	return e.openAt(ctx, e.config(z))
}

func (e *engine) openAt(ctx context.Context, config Config) (driver.Bus, error) {
	line := &cable{engine: e}
	config.Dialer = line
	if e.memory {
		config.InProcess = line
	}
	b, err := Open(ctx, config)
	if err == nil {
		e.mu.Lock()
		e.cables[b] = line
		e.mu.Unlock()
	}
	return b, err
}

// Abandon cuts b's socket without a word, as the death of its process would.
func (e *engine) Abandon(b driver.Bus) {
	e.mu.Lock()
	line := e.cables[b]
	e.mu.Unlock()
	line.cut()
}

// cable opens connections, by TCP or in process, that can be cut for good.
type cable struct {
	engine *engine

	mu    sync.Mutex
	conns []net.Conn
	dead  bool
}

func (l *cable) Dial(network, address string) (net.Conn, error) {
	return l.open(func() (net.Conn, error) { return net.DialTimeout(network, address, 2*time.Second) })
}

func (l *cable) InProcessConn() (net.Conn, error) { return l.open(l.engine.InProcessConn) }

func (l *cable) open(dial func() (net.Conn, error)) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead || l.engine.isSevered() {
		return nil, errors.New("the process is dead, or the link is cut")
	}
	c, err := dial()
	if err == nil {
		l.conns = append(l.conns, c)
	}
	return c, err
}

func (l *cable) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = true
	l.hangUp()
}

func (l *cable) hangUp() {
	for _, c := range l.conns {
		_ = c.Close()
	}
}

// harness enters the engine in this process into the conformance suite.
type harness struct{ *engine }

func newMemoryHarness(tb testing.TB) drivertest.Harness {
	e := startEngine(tb)
	e.memory = true
	return harness{e}
}

func (h harness) Capabilities() drivertest.Capabilities { return drivertest.Capabilities{} }

func (h harness) Close() { h.stop() }

func TestConformanceInProcess(t *testing.T) { drivertest.RunConformanceTests(t, newMemoryHarness) }
