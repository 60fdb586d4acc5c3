//go:build unix

package natsbus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/bus/drivertest"
)

// serverSettings, where set, makes the test binary a NATS server: its settings in JSON.
const serverSettings = "HANSOM_TEST_NATS"

type settings struct {
	Port  int
	Store string
}

func TestMain(m *testing.M) {
	for name, role := range map[string]func(string) error{serverSettings: serve, envServe: serveJournal} {
		value := os.Getenv(name)
		if value == "" {
			continue
		}
		if err := role(value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestConformance(t *testing.T) { drivertest.RunConformanceTests(t, newProcessHarness) }

func BenchmarkDriver(b *testing.B) { drivertest.RunBenchmarks(b, newProcessHarness) }

// serve is a NATS server until it is killed or its parent is gone, which the end of its
// input tells.
func serve(raw string) error {
	var s settings
	if err := json.Unmarshal([]byte(raw), &s); err != nil {
		return err
	}
	options := optionsOf(s)
	nats, err := server.NewServer(&options)
	if err != nil {
		return err
	}
	nats.Start()
	_, err = io.Copy(io.Discard, os.Stdin)
	nats.Shutdown()
	nats.WaitForShutdown()
	return err
}

func optionsOf(s settings) server.Options {
	return server.Options{
		Host: "127.0.0.1", Port: s.Port,
		Username: "hansom", Password: "secret",
		JetStream: true, StoreDir: s.Store,
		MaxPayload: 2 << 20, NoSigs: true, NoLog: true,
	}
}

// process is a NATS server in a process of its own, which signals reach. It enters the
// conformance suite with everything that can be broken.
type process struct {
	*engine
	settings settings
	address  string
	cmd      *exec.Cmd
	input    io.Closer
}

func newProcessHarness(tb testing.TB) drivertest.Harness {
	tb.Helper()
	p := &process{engine: newEngine(tb), settings: settings{Store: tb.TempDir()}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p.address = l.Addr().String()
	p.settings.Port = l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		tb.Fatal(err)
	}
	if err := p.run(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.Close)
	return p
}

// run starts the server and returns when it greets.
func (p *process) run(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	raw, err := json.Marshal(p.settings)
	if err != nil {
		return err
	}
	p.cmd = exec.Command(self)
	p.cmd.Env = append(os.Environ(), serverSettings+"="+string(raw))
	p.cmd.Stderr = os.Stderr
	if p.input, err = p.cmd.StdinPipe(); err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return p.awaitGreeting(ctx)
}

func (p *process) awaitGreeting(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if p.greets() {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("NATS at %s does not greet: %w", p.address, ctx.Err())
		}
	}
}

func (p *process) greets() bool {
	c, err := net.DialTimeout("tcp", p.address, time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	_, err = io.ReadFull(c, make([]byte, len("INFO ")))
	return err == nil
}

// Open implements drivertest.Harness.
func (p *process) Open(ctx context.Context, z driver.Zone) (driver.Bus, error) {
	return p.openAt(ctx, Config{
		URL: "nats://hansom:secret@" + p.address, Zone: z, Name: p.tb.Name(), Logger: slog.New(slog.DiscardHandler),
	})
}

// Restart implements drivertest.Harness.
func (p *process) Restart(ctx context.Context) error {
	p.Close()
	return p.run(ctx)
}

// Capabilities implements drivertest.Harness: there is one node.
func (p *process) Capabilities() drivertest.Capabilities { return drivertest.Capabilities{} }

// Close implements drivertest.Harness. It ends the server in good order.
func (p *process) Close() {
	_ = p.input.Close()
	_ = p.cmd.Wait() // of a process that was killed, or has been waited for
}

// Nodes implements drivertest.Breaker.
func (p *process) Nodes() int { return 1 }

// Kill implements drivertest.Breaker.
func (p *process) Kill(context.Context, int) (func(context.Context) error, error) {
	if err := p.cmd.Process.Kill(); err != nil {
		return nil, err
	}
	_ = p.cmd.Wait() // says that it was killed
	return p.run, nil
}

// Stop implements drivertest.Breaker.
func (p *process) Stop(context.Context, int) (func(context.Context) error, error) {
	err := p.cmd.Process.Signal(syscall.SIGSTOP)
	return func(ctx context.Context) error {
		return errors.Join(p.cmd.Process.Signal(syscall.SIGCONT), p.awaitGreeting(ctx))
	}, err
}

// Cut implements drivertest.Breaker: every client's link is cut and none is let through.
func (p *process) Cut(context.Context) (func(context.Context) error, error) {
	p.sever(true)
	return func(context.Context) error {
		p.sever(false)
		return nil
	}, nil
}

// sever cuts every client off, or lets all of them through again.
func (e *engine) sever(severed bool) {
	e.mu.Lock()
	e.severed = severed
	lines := make([]*cable, 0, len(e.cables))
	for _, line := range e.cables {
		lines = append(lines, line)
	}
	e.mu.Unlock()
	if !severed {
		return
	}
	for _, line := range lines {
		line.mu.Lock()
		line.hangUp()
		line.mu.Unlock()
	}
}

func (e *engine) isSevered() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.severed
}
