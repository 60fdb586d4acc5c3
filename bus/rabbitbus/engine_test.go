package rabbitbus

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"path/filepath"
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
	return e
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
			errs = append(errs, n.Terminate(ctx))
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
			c.Zones[other] = append(c.Zones[other], n.URL())
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

	mu    sync.Mutex
	conns []net.Conn
	dead  bool
}

func (l *cable) dial(ctx context.Context, network, _ string) (c net.Conn, err error) {
	first := rand.N(len(l.nodes))
	for i := range l.nodes {
		node := l.nodes[(first+i)%len(l.nodes)]
		if c, err = new(net.Dialer).DialContext(ctx, network, node.Address()); err == nil {
			return l.keep(c)
		}
	}
	return nil, err
}

func (l *cable) keep(c net.Conn) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		_ = c.Close()
		return nil, errors.New("the process is dead")
	}
	l.conns = append(l.conns, c)
	return c, nil
}

func (l *cable) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = true
	for _, c := range l.conns {
		_ = c.Close()
	}
}

var zoneA = driver.Zone{Region: "eu-test-1", Zone: "a"}
