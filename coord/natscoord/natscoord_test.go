package natscoord_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/hansom-platform/hansom/coord/drivertest"
	"github.com/hansom-platform/hansom/coord/natscoord"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	drivertest.RunConformanceTests(t, newHarness)
}

func BenchmarkDriver(b *testing.B) {
	drivertest.RunBenchmarks(b, newHarness)
}

// harness is an embedded server that listens on a free loopback port.
type harness struct {
	tb   testing.TB
	opts server.Options
	srv  *server.Server

	mu    sync.Mutex
	conns []*nats.Conn
}

func newHarness(tb testing.TB) drivertest.Harness {
	h := &harness{tb: tb, opts: server.Options{
		Host:      "127.0.0.1",
		Port:      server.RANDOM_PORT,
		JetStream: true,
		StoreDir:  tb.TempDir(),
		NoLog:     true,
		NoSigs:    true,
	}}
	h.start()
	return h
}

func (h *harness) start() {
	opts := h.opts
	srv, err := server.NewServer(&opts)
	if err != nil {
		h.tb.Fatalf("NewServer: %v", err)
	}
	srv.Start()
	if !srv.ReadyForConnections(10 * time.Second) {
		h.tb.Fatal("the embedded NATS server did not become ready within 10s")
	}
	h.srv = srv
	h.opts.Port = opts.Port
}

func (h *harness) stop() {
	h.srv.Shutdown()
	h.srv.WaitForShutdown()
}

func (h *harness) Connect(ctx context.Context) (drivertest.Conn, error) {
	nc, err := nats.Connect(h.srv.ClientURL(),
		nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond), nats.ReconnectJitter(0, 0))
	if err != nil {
		return drivertest.Conn{}, err
	}
	h.mu.Lock()
	h.conns = append(h.conns, nc)
	h.mu.Unlock()
	d, err := natscoord.New(ctx, nc)
	if err != nil {
		return drivertest.Conn{}, err
	}
	return drivertest.Conn{Driver: d, Abandon: nc.Close}, nil
}

func (h *harness) Restart(context.Context) error {
	h.stop()
	h.start()
	return nil
}

func (h *harness) Capabilities() drivertest.Capabilities {
	return drivertest.Capabilities{
		MinTTL:      time.Second,
		ExpirySlack: 2500 * time.Millisecond,
		RestartTTL:  4 * time.Second,
	}
}

func (h *harness) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, nc := range h.conns {
		nc.Close()
	}
	h.stop()
}
