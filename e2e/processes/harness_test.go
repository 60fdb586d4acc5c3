package processes_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/app"
	"github.com/hansom-platform/hansom/app/dial"
	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/platform"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

// startLimit is generous: machines that run tests are busy.
const startLimit = time.Minute

// binary is the hansom command, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	if folder := os.Getenv(drillFolder); folder != "" {
		os.Exit(runTarget(folder))
	}
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	folder, err := os.MkdirTemp("", "hansom-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(folder) }()
	binary = filepath.Join(folder, "hansom")
	build := exec.Command("go", "build", "-o", binary, "github.com/hansom-platform/hansom/cmd/hansom")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the hansom command: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// process is one running hansom command.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	line   string // that it printed when it was ready
	stderr *output
	end    func() error // waits; the same answer every time
}

// output may be read while it is written.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// start runs hansom until the test ends, and returns when it has said that it is ready.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	return startCommand(t, exec.Command(binary, args...))
}

// startCommand is start for any command that says on standard output when it is ready.
func startCommand(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, stderr: new(output)}
	p.cmd.Stderr = p.stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan string, 1)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			select {
			case ready <- lines.Text():
			default:
			}
		}
		close(ready)
	}()
	p.end = sync.OnceValue(func() error { <-drained; return p.cmd.Wait() })
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); _ = p.end() })
	select {
	case p.line = <-ready:
	case <-time.After(startLimit):
	}
	if p.line == "" {
		t.Fatalf("%q said nothing on standard output; on standard error:\n%s", cmd.Args, p.stderr)
	}
	return p
}

// kill ends the process as kill -9 does.
func (p *process) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatalf("kill: %v", err)
	}
	_ = p.end() // it says that it was killed
}

// interrupt ends the process as Ctrl-C does, and fails the test when it minds.
func (p *process) interrupt() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		p.t.Fatalf("interrupt: %v", err)
	}
	if err := p.end(); err != nil {
		p.t.Errorf("after Ctrl-C: %v, want exit status 0; on standard error:\n%s", err, p.stderr)
	}
}

// city is a platform with its demo city, in a process of its own.
type city struct {
	*process
	data  string
	admin app.Admin
}

// engines are what the bus can be on.
var engines = []string{app.EngineNATS, app.EngineRabbitMQ}

// onEachEngine runs a test of the platform on every engine of the bus that is wanted.
func onEachEngine(t *testing.T, test func(t *testing.T, engine string)) {
	for _, engine := range engines {
		if engine == app.EngineRabbitMQ && testing.Short() {
			continue // it needs RabbitMQ
		}
		t.Run(engine, func(t *testing.T) { test(t, engine) })
	}
}

func up(t *testing.T, engine, data string) *city {
	t.Helper()
	p := start(t, "up", "--bus", engine, "--data", data, "--taxis", "50",
		"--listen", "127.0.0.1:0", "--config-listen", "127.0.0.1:0", "--bus-listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0")
	admin, err := app.ReadAdmin(data)
	if err != nil {
		t.Fatal(err)
	}
	return &city{p, data, admin}
}

// operator calls on the city's bus.
func (c *city) operator() *platform.Client {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	b, err := dial.Bus(ctx, c.admin.Bus, bus.Zone{Region: "local", Zone: "a"})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = b.Close(context.Background()) })
	login := loginpb.NewLoginClient(platform.NewClient(platform.Operator, b))
	return platform.NewClient(platform.Operator, b, platform.Token(func(ctx context.Context) (string, error) {
		answer, err := login.Exchange(ctx, &loginpb.ExchangeRequest{SessionId: c.admin.Session})
		return answer.GetToken(), err
	}))
}

// await tries until it works.
func await(t *testing.T, what string, try func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try(ctx)
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		}
	}
}
