package rabbitbus

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/internal/rabbitmq"
)

// A topology says which brokers there are: for each zone a cluster of so many nodes. Zones without
// a broker of their own are on the first one.
type topology struct {
	name  string
	zones []string
	nodes int
}

var topologies = []topology{
	{"one node", []string{"a"}, 1},
	{"cluster of two", []string{"a"}, 2},
	{"two zones", []string{"a", "b"}, 1},
	{"three zones", []string{"a", "b", "c"}, 1},
}

// engine is the brokers of a topology.
type engine struct {
	tb      testing.TB
	zones   []string
	brokers map[string]*rabbitmq.Broker // by zone
	borders map[*rabbitmq.Node]*border  // the ways from other zones; none where there is one zone

	mu sync.Mutex
}

const bootTimeout = 2 * time.Minute // of a busy machine

func startEngine(tb testing.TB, t topology) *engine {
	tb.Helper()
	plugin, err := rabbitmq.FindExchange()
	if err != nil {
		tb.Fatal(err)
	}
	e := &engine{tb: tb, zones: t.zones, brokers: map[string]*rabbitmq.Broker{}}
	ctx, cancel := context.WithTimeout(tb.Context(), bootTimeout)
	defer cancel()
	tb.Cleanup(e.stop)
	err = e.each(t.zones, func(z string) error {
		b, err := rabbitmq.Start(ctx, rabbitmq.Config{
			Dir: filepath.Join(tb.TempDir(), z), Plugins: []string{plugin}, Cluster: "zone-" + z, Nodes: t.nodes,
			User: "hansom", Password: "secret", // the same everywhere, for those whom a proxy leads to another zone
		})
		if err == nil {
			e.mu.Lock()
			e.brokers[z] = b
			e.mu.Unlock()
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	e.openBorders()
	return e
}

func (e *engine) openBorders() {
	e.borders = map[*rabbitmq.Node]*border{}
	for _, z := range e.zones {
		for _, n := range e.brokers[z].Nodes() {
			if len(e.zones) > 1 {
				e.borders[n] = newBorder(e.tb, n.Address())
				e.tb.Cleanup(e.borders[n].close)
			}
		}
	}
}

// each runs f for every zone at once.
func (e *engine) each(zones []string, f func(zone string) error) error {
	errs := make([]error, len(zones))
	var group sync.WaitGroup
	for i, z := range zones {
		group.Go(func() { errs[i] = f(z) })
	}
	group.Wait()
	return errors.Join(errs...)
}

func (e *engine) stop() {
	if e.tb.Failed() {
		e.tell()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := e.each(e.zones, func(z string) error {
		if b := e.brokers[z]; b != nil {
			return b.Close(ctx)
		}
		return nil
	}); err != nil {
		e.tb.Errorf("stop the brokers: %v", err)
	}
}

// tell shows the end of every node's log.
func (e *engine) tell() {
	const most = 100 // lines
	for _, z := range e.zones {
		b := e.brokers[z]
		if b == nil {
			continue
		}
		for _, n := range b.Nodes() {
			said, _ := os.ReadFile(n.Log())
			lines := strings.Split(string(said), "\n")
			e.tb.Logf("zone %s, the log of %s ends so:\n%s", z, n.Name(), strings.Join(lines[max(0, len(lines)-most):], "\n"))
		}
	}
}

// broker returns that of zone z.
func (e *engine) broker(z string) *rabbitmq.Broker {
	if b := e.brokers[z]; b != nil {
		return b
	}
	return e.brokers[e.zones[0]]
}

// Restart ends every node in good order and starts it again.
func (e *engine) Restart(ctx context.Context) error {
	return e.each(e.zones, func(z string) error {
		var errs []error
		nodes := e.brokers[z].Nodes()
		for _, n := range nodes {
			errs = append(errs, e.end(ctx, n))
		}
		started := make(chan error, len(nodes))
		for _, n := range nodes {
			go func() { started <- n.Start(ctx) }()
		}
		for range nodes {
			errs = append(errs, <-started)
		}
		return errors.Join(errs...)
	})
}

// end ends a node as systemd does: in good order, and by force where that takes too long, as it may when links to other zones
// break at the same time (seen with 3.10).
func (e *engine) end(ctx context.Context, n *rabbitmq.Node) error {
	const longest = 20 * time.Second
	patient, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	err := n.Terminate(patient)
	if err == nil || ctx.Err() != nil {
		return err
	}
	e.tb.Logf("killed: %v", err)
	return n.Kill()
}

func (e *engine) config(z driver.Zone) Config {
	b := e.broker(z.Zone)
	c := Config{
		URL: b.URL(), Zone: z, Name: e.tb.Name(), Management: b.Nodes()[0].Management(),
		Zones: map[string][]string{}, Logger: slog.New(slog.DiscardHandler),
	}
	for _, other := range e.zones {
		if e.broker(other) == b {
			continue
		}
		for _, n := range e.broker(other).Nodes() {
			c.Zones[other] = append(c.Zones[other], strings.Replace(n.URL(), n.Address(), e.borders[n].listener.Addr().String(), 1))
		}
	}
	return c
}

// connect connects to any node of the zone that lives. The connection is closed with the test.
func (e *engine) connect(z driver.Zone) *conn {
	e.tb.Helper()
	config := e.config(z)
	config.Dialer = (&cable{nodes: e.broker(z.Zone).Nodes()}).dial
	c, err := open(e.tb.Context(), config)
	if err != nil {
		e.tb.Fatal(err)
	}
	e.tb.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// cable opens connections to the nodes of a zone, one after the other, that can be cut for good.
type cable struct {
	nodes []*rabbitmq.Node

	mu       sync.Mutex
	conns    map[net.Conn]*rabbitmq.Node
	dead     bool
	isolated *rabbitmq.Node // nothing goes there
}

func (l *cable) dial(ctx context.Context, network, _ string) (c net.Conn, err error) {
	first := rand.N(len(l.nodes))
	for i := range l.nodes {
		node := l.nodes[(first+i)%len(l.nodes)]
		if c, err = new(net.Dialer).DialContext(ctx, network, node.Address()); err == nil {
			c, err = l.keep(c, node)
		}
		if err == nil {
			return c, nil
		}
	}
	return nil, err
}

func (l *cable) keep(c net.Conn, to *rabbitmq.Node) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead || l.isolated == to {
		_ = c.Close()
		return nil, errors.New("the process is dead, or cut off from the node")
	}
	if l.conns == nil {
		l.conns = map[net.Conn]*rabbitmq.Node{}
	}
	l.conns[c] = to
	return c, nil
}

// isolate cuts the connections to node and makes no more of them.
func (l *cable) isolate(node *rabbitmq.Node) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.isolated = node
	for c, to := range l.conns {
		if to == node {
			_ = c.Close()
			delete(l.conns, c)
		}
	}
}

func (l *cable) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = true
	for c := range l.conns {
		_ = c.Close()
	}
}

var zoneA = driver.Zone{Region: "eu-test-1", Zone: "a"}
