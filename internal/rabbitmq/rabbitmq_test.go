package rabbitmq

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hansom-platform/hansom/internal/engine"
)

const within = 90 * time.Second

// start runs a broker that is gone when the test is over, without the 6 s that ending in good order takes.
func start(t *testing.T, c Config) *Broker {
	t.Helper()
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	c.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	b, err := Start(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, n := range b.Nodes() {
			must(t, n.Kill())
		}
		must(t, b.Close(context.Background()))
	})
	return b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// use opens a channel to a node for as long as f runs.
func use(t *testing.T, n *Node, f func(ch *amqp.Channel)) {
	t.Helper()
	conn, err := amqp.Dial(n.URL())
	must(t, err)
	defer conn.Close()
	ch, err := conn.Channel()
	must(t, err)
	f(ch)
}

func declare(t *testing.T, n *Node, queue string) {
	t.Helper()
	use(t, n, func(ch *amqp.Channel) {
		_, err := ch.QueueDeclare(queue, true, false, false, false, amqp.Table{"x-queue-type": "quorum"})
		must(t, err)
	})
}

func wantQueue(t *testing.T, n *Node, queue string) {
	t.Helper()
	use(t, n, func(ch *amqp.Channel) {
		if _, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil); err != nil {
			t.Errorf("on %s there is no queue %s: %v", n.Name(), queue, err)
		}
	})
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

// processesIn returns what runs with an environment or arguments that name the folder.
func processesIn(t *testing.T, dir string) (found []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*")
	must(t, err)
	for _, process := range all {
		env, _ := os.ReadFile(filepath.Join(process, "environ"))
		cwd, _ := os.Readlink(filepath.Join(process, "cwd"))
		if strings.Contains(string(env), dir) || strings.HasPrefix(cwd, dir) {
			command, _ := os.ReadFile(filepath.Join(process, "cmdline"))
			found = append(found, fmt.Sprintf("%s (%q)", process, command))
		}
	}
	return found
}

// nothingRunsIn waits for the end of what was killed.
func nothingRunsIn(t *testing.T, dir string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), engine.Patience)
	defer cancel()
	must(t, engine.Await(ctx, nil, func(context.Context) error {
		if left := processesIn(t, dir); len(left) > 0 {
			return fmt.Errorf("there are still %v", left)
		}
		return nil
	}))
}

func TestNodeLives(t *testing.T) {
	if testing.Short() {
		return // it needs RabbitMQ
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	exchange, err := FindExchange()
	must(t, err)
	b := start(t, Config{Cluster: "zone-a", Plugins: []string{exchange}})
	n := b.Nodes()[0]
	url := n.URL()
	declare(t, n, "kept")
	use(t, n, func(ch *amqp.Channel) {
		if err := ch.ExchangeDeclare("h2", "x-h2", true, false, false, false, nil); err != nil {
			t.Errorf("an exchange of the plugin's type was not declared: %v", err)
		}
	})

	var overview struct {
		Cluster string `json:"cluster_name"`
	}
	must(t, n.get(ctx, "/api/overview", &overview))
	if overview.Cluster != "zone-a" {
		t.Errorf("the cluster is named %q, want zone-a", overview.Cluster)
	}

	must(t, n.Stop())
	stopped, cancelStopped := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancelStopped()
	if n.ready(stopped) == nil {
		t.Error("a stopped node answers")
	}
	must(t, n.Continue())
	must(t, engine.Await(ctx, n.Done(), n.ready))

	done := n.Done()
	must(t, n.Kill())
	select {
	case <-done:
	default:
		t.Error("Done is open after Kill")
	}
	if err := n.Stop(); err == nil {
		t.Error("a dead node was stopped")
	}
	must(t, n.Start(ctx))
	wantQueue(t, n, "kept")

	// A broker is the same after it was closed, and nothing of it runs in between.
	must(t, b.Close(ctx))
	nothingRunsIn(t, b.config.Dir)
	if n.Start(ctx) == nil {
		t.Error("a node of a closed broker was started")
	}
	again := start(t, Config{Dir: b.config.Dir, Cluster: "zone-a", Plugins: []string{exchange}})
	if again.URL() != url {
		t.Errorf("started again, the URL is %s, want %s", again.URL(), url)
	}
	wantQueue(t, again.Nodes()[0], "kept")
}

func TestCluster(t *testing.T) {
	if testing.Short() {
		return // it needs RabbitMQ
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	b := start(t, Config{Nodes: 2})
	first, second := b.Nodes()[0], b.Nodes()[1]
	declare(t, first, "shared")
	wantQueue(t, second, "shared")

	for _, victim := range b.Nodes() {
		must(t, victim.Kill())
		must(t, victim.Start(ctx))
		must(t, b.whole(ctx))
	}
	wantQueue(t, first, "shared")
	wantQueue(t, second, "shared")

	must(t, first.Kill())
	must(t, second.Kill())
	must(t, b.boot(ctx))
	wantQueue(t, first, "shared")
}

func TestBrokersSideBySide(t *testing.T) {
	if testing.Short() {
		return // it needs RabbitMQ
	}
	one, other := start(t, Config{}), start(t, Config{})
	declare(t, one.Nodes()[0], "mine")
	use(t, other.Nodes()[0], func(ch *amqp.Channel) {
		if _, err := ch.QueueDeclarePassive("mine", true, false, false, false, nil); err == nil {
			t.Error("the other broker has this one's queue")
		}
	})
	_, err := Start(t.Context(), Config{Dir: one.config.Dir})
	if err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("starting in a folder in use: %v, want that it is in use", err)
	}
}

func TestStartRefuses(t *testing.T) {
	if testing.Short() {
		return // it needs RabbitMQ
	}
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()
	busy := taken.Addr().(*net.TCPAddr).Port
	bad := filepath.Join(t.TempDir(), "rabbitmq_nonsense-1.0.ez")
	must(t, os.WriteFile(bad, []byte("not a zip"), 0o600))

	for name, test := range map[string]struct {
		config Config
		want   string
	}{
		"no folder":      {Config{}, "no folder"},
		"three nodes":    {Config{Dir: t.TempDir(), Nodes: 3}, "1 node or 2"},
		"taken port":     {Config{Dir: t.TempDir(), Ports: []Ports{{AMQP: busy}}}, fmt.Sprintf("port %d", busy)},
		"missing plugin": {Config{Dir: t.TempDir(), Plugins: []string{"/nowhere/x-1.ez"}}, "/nowhere/x-1.ez"},
		"broken plugin":  {Config{Dir: t.TempDir(), Plugins: []string{bad}}, "rabbitmq_nonsense"},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := Start(t.Context(), test.config)
			if err == nil {
				must(t, b.Close(context.Background()))
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, want it to name %q", err, test.want)
			}
			if test.config.Dir != "" {
				nothingRunsIn(t, test.config.Dir)
			}
		})
	}
}

func TestStartEndsWithContext(t *testing.T) {
	if testing.Short() {
		return // it needs RabbitMQ
	}
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := Start(ctx, Config{Dir: dir, Nodes: 2})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is %v, want that the deadline is exceeded", err)
	}
	nothingRunsIn(t, dir)
}

// TestMain runs, in a process of its own, what TestEndsWithItsProgram kills.
func TestMain(m *testing.M) {
	dir := os.Getenv("RABBITMQ_TEST_VICTIM")
	if dir == "" {
		os.Exit(m.Run())
	}
	b, err := Start(context.Background(), Config{Dir: dir})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(b.Nodes()[0].PID(), b.epmd.PID())
	select {}
}

func TestEndsWithItsProgram(t *testing.T) {
	if testing.Short() {
		return // it needs RabbitMQ
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	victim := exec.CommandContext(ctx, os.Args[0])
	victim.Env = append(os.Environ(), "RABBITMQ_TEST_VICTIM="+t.TempDir())
	victim.Stderr = t.Output()
	printed, err := victim.StdoutPipe()
	must(t, err)
	must(t, victim.Start())
	line, err := bufio.NewReader(printed).ReadString('\n')
	must(t, err)
	var node, epmd int
	if _, err := fmt.Sscan(line, &node, &epmd); err != nil || !alive(node) || !alive(epmd) {
		t.Fatalf("the program printed %q (%v), want two running processes", line, err)
	}
	must(t, victim.Process.Kill())
	_ = victim.Wait() // it was killed
	must(t, engine.Await(ctx, nil, func(context.Context) error {
		if alive(node) || alive(epmd) {
			return fmt.Errorf("node %d runs: %t, epmd %d runs: %t", node, alive(node), epmd, alive(epmd))
		}
		return nil
	}))
}
