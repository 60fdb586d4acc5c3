package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/hansom-platform/hansom/internal/engine"
)

// A Node is one RabbitMQ server of a Broker. Its ports and data stay the same however often it is started.
type Node struct {
	broker *Broker
	name   string // of the Erlang node, such as rabbit1@localhost
	ports  Ports
	dir    string

	starts sync.Mutex // held while it boots

	mu      sync.Mutex
	process *engine.Process
}

func newNode(b *Broker, i int, ports Ports) *Node {
	short := fmt.Sprintf("rabbit%d", i+1) // the node's data tell its name: it must not change between versions
	return &Node{broker: b, name: short + "@localhost", ports: ports, dir: b.path(short)}
}

// Name returns the name that RabbitMQ's own tools and messages use, such as rabbit1@localhost.
func (n *Node) Name() string { return n.name }

// Address returns where it takes AMQP: 127.0.0.1:port
func (n *Node) Address() string { return engine.Local(n.ports.AMQP) }

// ManagementAddress returns where it takes HTTP for the management API: 127.0.0.1:port
func (n *Node) ManagementAddress() string { return engine.Local(n.ports.Management) }

// URL returns amqp://user:password@127.0.0.1:port, without a path: the default virtual host.
func (n *Node) URL() string { return n.url("amqp", n.ports.AMQP) }

// Management returns http://user:password@127.0.0.1:port of the management API and its pages.
func (n *Node) Management() string { return n.url("http", n.ports.Management) }

func (n *Node) url(scheme string, port int) string {
	u := url.URL{Scheme: scheme, User: url.UserPassword(n.broker.User()), Host: engine.Local(port)}
	return u.String()
}

// Done is closed when the process that runs now has ended. It is closed already where none runs.
func (n *Node) Done() <-chan struct{} {
	if p := n.current(); p != nil {
		return p.Done()
	}
	never := make(chan struct{})
	close(never)
	return never
}

// PID returns the number of the process that runs now or ran last; 0 if none did.
func (n *Node) PID() int {
	if p := n.current(); p != nil {
		return p.PID()
	}
	return 0
}

func (n *Node) current() *engine.Process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.process
}

// Start boots the node unless it runs, and returns when it answers on AMQP and HTTP. If it does not come up it is killed. One of
// a cluster that knows that the other had more recent data waits for that one to come up as well: start both.
func (n *Node) Start(ctx context.Context) error {
	n.starts.Lock()
	defer n.starts.Unlock()
	if p := n.current(); p != nil && p.Runs() {
		return nil
	}
	// Nodes of a cluster that boot at once may ask for each other's feature flags before there are any, and give up. The next
	// time they are there.
	tries := 1 + 2*(len(n.broker.nodes)-1)
	var err error
	for range tries {
		err = n.boot(ctx)
		if err == nil || !errors.Is(err, engine.ErrEnded) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("boot %s: %w", n.name, err)
	}
	return nil
}

func (n *Node) boot(ctx context.Context) error {
	if err := n.broker.withEpmd(ctx); err != nil {
		return err
	}
	for _, port := range n.ports.all() {
		if err := n.broker.awaitFree(ctx, port); err != nil {
			return err
		}
	}
	p, err := n.spawn()
	if err != nil {
		return err
	}
	err = engine.Await(ctx, p.Done(), n.ready)
	if err == nil {
		return nil
	}
	killed := p.Kill()
	return errors.Join(fmt.Errorf("%w%s", err, n.lastWords()), killed)
}

// spawn starts the process, unless the broker was closed meanwhile.
func (n *Node) spawn() (*engine.Process, error) {
	n.broker.mu.Lock()
	defer n.broker.mu.Unlock()
	if n.broker.closed {
		return nil, errors.New("the broker is closed")
	}
	p, err := engine.Run(engine.Command{
		Program: filepath.Join(n.broker.home, "sbin", "rabbitmq-server"),
		Dir:     n.dir,
		Env:     n.env(),
		Output:  n.console(),
		Keep:    n.broker.folder,
	})
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	n.process = p
	n.mu.Unlock()
	return p, nil
}

func (n *Node) console() string { return filepath.Join(n.dir, "console.log") }

// lastWords returns the end of what the node printed, on lines of its own, or nothing.
func (n *Node) lastWords() string {
	const most = 25
	text, err := os.ReadFile(n.console())
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	lines = lines[max(0, len(lines)-most):]
	return fmt.Sprintf("; its last lines in %s:\n%s", n.console(), strings.Join(lines, "\n"))
}

// Log returns the file that the node logs to.
func (n *Node) Log() string { return n.path("rabbit.log") }

// Terminate asks the node to end (SIGTERM), lets it go on if it was stopped, and returns when it has ended. When ctx ends
// before, the node goes on ending.
func (n *Node) Terminate(ctx context.Context) error {
	p := n.current()
	if p == nil || !p.Runs() {
		return nil
	}
	if err := errors.Join(p.Signal(syscall.SIGTERM), p.Signal(syscall.SIGCONT)); err != nil {
		return err
	}
	select {
	case <-p.Done():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s (process %d) did not end in time: %w", n.name, p.PID(), ctx.Err())
	}
}

// Kill ends the node at once, as kill -9 does, and returns when its process is gone.
func (n *Node) Kill() error {
	p := n.current()
	if p == nil {
		return nil
	}
	return p.Kill()
}

// Stop halts the process (SIGSTOP): its connections stay open and nothing answers, until Continue.
func (n *Node) Stop() error { return n.signal(syscall.SIGSTOP) }

// Continue lets a stopped process go on.
func (n *Node) Continue() error { return n.signal(syscall.SIGCONT) }

func (n *Node) signal(s syscall.Signal) error {
	p := n.current()
	if p == nil || !p.Runs() {
		return fmt.Errorf("send %v to %s: it does not run", s, n.name)
	}
	return p.Signal(s)
}
