// Package rabbitmq runs RabbitMQ nodes of one's own, out of Debian's packages, in a folder and on 127.0.0.1: for `hansom up
// --bus rabbitmq`, for tests, benchmarks and drills. Nothing of the system is used but the installed programs: no service,
// no configuration in /etc, no epmd that somebody else runs. It works as any user, and brokers run side by side.
//
// A Broker is a cluster of one node or two. Its folder keeps the data, the ports and the password, so that a broker started
// there again is the same one. Nothing outlives the program that started it: the processes end with Close and, on Linux,
// also when that program is killed.
//
// Methods may be called concurrently. Errors are for operators: they name the folder and say what to do next.
package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hansom-platform/hansom/internal/engine"
)

// Config says what to run. Dir is required.
type Config struct {
	Dir     string   // data of the nodes, kept between starts; made where it is missing
	Plugins []string // further plugins, as .ez files or NAME-VERSION folders, all enabled; FindExchange finds ours
	Cluster string   // the cluster's name, "hansom" by default; federation needs it to differ between zones; a folder keeps it
	Nodes   int      // 1 by default, or 2 for a cluster; a folder keeps the number that it was made with
	Ports   []Ports  // of each node; what is left out or 0 is a free port, kept in Dir for as long as no other program takes it

	User     string // the administrator, "hansom" by default
	Password string // made once and kept in Dir by default

	Logger *slog.Logger // nil discards
}

// Ports are those of one node, all on 127.0.0.1.
type Ports struct {
	AMQP         int `json:"amqp"`
	Management   int `json:"management"`   // HTTP
	Distribution int `json:"distribution"` // between the nodes of a cluster
}

func (p Ports) all() []int { return []int{p.AMQP, p.Management, p.Distribution} }

// A Broker is a running cluster.
type Broker struct {
	config Config
	state  state
	folder *os.File // locked while the broker runs
	home   string   // where RabbitMQ is installed
	nodes  []*Node
	holds  []engine.Hold // of all ports, while the broker runs

	mu     sync.Mutex
	epmd   *engine.Process
	closed bool
}

// Start boots the nodes, clusters them, and returns when all of them answer on AMQP and HTTP (some 6 s, a cluster the first time 12). When ctx ends
// before, or a node does not come up, nothing is left running. After that ctx is of no importance.
func Start(ctx context.Context, c Config) (*Broker, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	b, err := open(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("start RabbitMQ in %s: %w", c.Dir, err)
	}
	begun := time.Now()
	c.Logger.Info("starting RabbitMQ", "folder", c.Dir, "nodes", c.Nodes, "cluster", c.Cluster)
	if err := b.boot(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start RabbitMQ in %s: %w", c.Dir, err), b.abandon())
	}
	c.Logger.Info("RabbitMQ is up", "address", b.nodes[0].Address(), "cluster", c.Cluster,
		"took", time.Since(begun).Round(time.Millisecond))
	return b, nil
}

func (c Config) withDefaults() (Config, error) {
	if c.Dir == "" {
		return c, errors.New("start RabbitMQ: no folder is given for its data")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return c, fmt.Errorf("start RabbitMQ in %s: %w", c.Dir, err)
	}
	c.Dir = dir
	c.Nodes = max(c.Nodes, 1)
	if c.Nodes > 2 || len(c.Ports) > c.Nodes {
		return c, fmt.Errorf("start RabbitMQ in %s: a broker has 1 node or 2, and ports for no more: got %d nodes, ports for %d",
			dir, c.Nodes, len(c.Ports))
	}
	if c.Cluster == "" {
		c.Cluster = "hansom"
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// open makes the folder this process's own and writes everything that the nodes read. It starts nothing.
func open(ctx context.Context, c Config) (*Broker, error) {
	home, err := findServer()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, err
	}
	folder, err := lock(ctx, filepath.Join(c.Dir, "lock"))
	if err != nil {
		return nil, err
	}
	b := &Broker{config: c, folder: folder, home: home}
	if err := b.prepare(ctx); err != nil {
		return nil, errors.Join(err, b.release())
	}
	return b, nil
}

func (b *Broker) prepare(ctx context.Context) (err error) {
	if b.state, err = remember(ctx, b.config); err != nil {
		return err
	}
	for i, ports := range b.state.Nodes {
		b.nodes = append(b.nodes, newNode(b, i, ports))
	}
	if err := b.write(); err != nil {
		return err
	}
	return b.hold(ctx)
}

// hold keeps the ports from others, also while a node is down.
func (b *Broker) hold(ctx context.Context) error {
	ports := []int{b.state.Epmd}
	for _, n := range b.nodes {
		ports = append(ports, n.ports.all()...)
	}
	for _, port := range ports {
		if err := b.awaitFree(ctx, port); err != nil {
			return err
		}
		hold, err := engine.HoldPort(port)
		if err != nil {
			return err
		}
		b.holds = append(b.holds, hold)
	}
	return nil
}

func (b *Broker) awaitFree(ctx context.Context, port int) error {
	if err := engine.AwaitFree(ctx, port); err != nil {
		return fmt.Errorf("%w; this broker's ports are in %s", err, b.path(stateFile))
	}
	return nil
}

// release frees the folder and the ports.
func (b *Broker) release() error {
	errs := []error{b.folder.Close()}
	for _, hold := range b.holds {
		errs = append(errs, hold.Release())
	}
	return errors.Join(errs...)
}

// boot starts the nodes of a cluster that was formed before at once: they find each other.
func (b *Broker) boot(ctx context.Context) error {
	formed := b.path(formedFile)
	if _, err := os.Stat(formed); len(b.nodes) > 1 && errors.Is(err, fs.ErrNotExist) {
		if err := b.form(ctx); err != nil {
			return err
		}
		return replaceFile(formed, nil, 0o600)
	}
	if err := b.startAll(ctx); err != nil {
		return err
	}
	return b.whole(ctx)
}

// formedFile tells that the nodes are a cluster.
const formedFile = "formed"

// form makes a cluster of nodes that never were one, whose data are of no value, one node after the other: those that boot
// at once may miss each other, or agree on fewer features than each has.
func (b *Broker) form(ctx context.Context) error {
	for _, n := range b.nodes {
		if err := os.RemoveAll(n.path("data")); err != nil {
			return err
		}
		if err := n.Start(ctx); err != nil {
			return err
		}
	}
	return b.whole(ctx)
}

// startAll starts the nodes at once. The first that fails calls the others off.
func (b *Broker) startAll(ctx context.Context) error {
	booting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var started sync.WaitGroup
	for _, n := range b.nodes {
		started.Go(func() {
			if err := n.Start(booting); err != nil {
				cancel(err)
			}
		})
	}
	started.Wait()
	return context.Cause(booting)
}

// URL returns the first node's: amqp://user:password@127.0.0.1:port
func (b *Broker) URL() string { return b.nodes[0].URL() }

// Nodes returns the nodes, in an order that stays the same between starts.
func (b *Broker) Nodes() []*Node { return b.nodes }

// User returns the administrator's name and password.
func (b *Broker) User() (name, password string) { return b.state.User, b.state.Password }

// Close ends the nodes in good order, which takes RabbitMQ 6 s, kills what has not ended when ctx does, and frees the folder.
// Nothing of the broker runs afterwards. Whoever throws the folder away may Kill the nodes first, which saves the time.
// Closing again does nothing.
func (b *Broker) Close(ctx context.Context) error {
	b.mu.Lock()
	again := b.closed
	b.closed = true
	b.mu.Unlock()
	if again {
		return nil
	}
	errs := make([]error, len(b.nodes))
	var ended sync.WaitGroup
	for i, n := range b.nodes {
		ended.Go(func() { errs[i] = n.Terminate(ctx) })
	}
	ended.Wait()
	return errors.Join(errors.Join(errs...), b.abandon())
}

// abandon kills whatever runs and frees folder and ports. It is called once.
func (b *Broker) abandon() error {
	b.mu.Lock()
	b.closed = true
	epmd := b.epmd
	b.mu.Unlock()
	var errs []error
	for _, n := range b.nodes {
		errs = append(errs, n.Kill())
	}
	if epmd != nil {
		errs = append(errs, epmd.Kill())
	}
	return errors.Join(append(errs, b.release())...)
}

// withEpmd makes sure that the port mapper of this broker runs. A node that finds none starts one of its own, which would
// outlive it.
func (b *Broker) withEpmd(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return errors.New("the broker is closed")
	}
	if b.epmd != nil && b.epmd.Runs() {
		return nil
	}
	program, err := findEpmd()
	if err != nil {
		return err
	}
	port := b.state.Epmd
	if err := b.awaitFree(ctx, port); err != nil {
		return err
	}
	b.epmd, err = engine.Run(engine.Command{
		Program:   program,
		Arguments: []string{"-port", fmt.Sprint(port), "-address", "127.0.0.1"},
		Dir:       b.config.Dir,
		Output:    filepath.Join(b.config.Dir, "epmd.log"),
		Keep:      b.folder,
	})
	if err != nil {
		return err
	}
	if err := engine.Await(ctx, b.epmd.Done(), func(ctx context.Context) error { return accepts(ctx, port) }); err != nil {
		return fmt.Errorf("epmd on port %d: %w", port, err)
	}
	return nil
}

func accepts(ctx context.Context, port int) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp4", engine.Local(port))
	if err != nil {
		return err
	}
	return conn.Close()
}
