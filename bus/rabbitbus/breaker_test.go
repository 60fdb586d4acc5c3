package rabbitbus

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/bus/drivertest"
	"github.com/hansom-platform/hansom/internal/rabbitmq"
)

var _ drivertest.Breaker = (*harness)(nil)

// victims are the nodes that drills break: those of the suite's own zone where it is the only one, else those of
// the others, without which its own goes on.
func (h *harness) victims() (all []*rabbitmq.Node) {
	if len(h.zones) == 1 {
		return h.broker(h.zones[0]).Nodes()
	}
	for _, z := range h.zones[1:] {
		all = append(all, h.broker(z).Nodes()...)
	}
	return all
}

// Nodes implements drivertest.Breaker.
func (h *harness) Nodes() int { return len(h.victims()) }

// Kill implements drivertest.Breaker.
func (h *harness) Kill(_ context.Context, node int) (mend func(context.Context) error, err error) {
	n := h.victims()[node]
	return n.Start, n.Kill()
}

// Stop implements drivertest.Breaker.
func (h *harness) Stop(_ context.Context, node int) (mend func(context.Context) error, err error) {
	n := h.victims()[node]
	mend = func(ctx context.Context) error {
		if err := n.Continue(); err != nil {
			return err
		}
		watching, cancel := context.WithCancel(ctx)
		defer cancel()
		go h.watch(watching, n)
		return h.awaitWhole(ctx)
	}
	return mend, n.Stop()
}

// watch restarts a node that hangs, as deploy/rabbitmq/watch.sh does: one that was stopped may, when it meets the other.
func (h *harness) watch(ctx context.Context, n *rabbitmq.Node) {
	const hangs = 15 * time.Second
	for since := time.Now(); pause(ctx, time.Second); {
		if _, err := nodesSeenBy(ctx, n); err == nil {
			since = time.Now()
		}
		if time.Since(since) > hangs {
			h.tb.Logf("%s hangs and is restarted", n.Name())
			_ = n.Kill() // Start tells
			if err := n.Start(ctx); err != nil && ctx.Err() == nil {
				h.tb.Errorf("restart a node that hangs: %v", err)
			}
			since = time.Now()
		}
	}
}

type seenNode struct {
	Name       string
	Running    bool
	Partitions []string
}

func nodesSeenBy(ctx context.Context, n *rabbitmq.Node) (nodes []seenNode, err error) {
	m, err := newManagement(Config{URL: n.URL(), Management: n.Management()})
	if err != nil {
		return nil, err
	}
	defer m.client.CloseIdleConnections()
	return nodes, m.get(ctx, &nodes, "nodes")
}

// awaitWhole returns when the nodes of every cluster have agreed for some seconds that all of them run: one that
// was stopped for longer than net_ticktime restarts when it meets the other (autoheal).
func (h *harness) awaitWhole(ctx context.Context) error {
	const steady = 4 * time.Second
	for since := time.Now(); time.Since(since) < steady; {
		if !h.whole(ctx) {
			since = time.Now()
		}
		if !pause(ctx, 200*time.Millisecond) {
			return ctx.Err()
		}
	}
	return nil
}

func (h *harness) whole(ctx context.Context) bool {
	for _, z := range h.zones {
		for _, n := range h.broker(z).Nodes() {
			nodes, err := nodesSeenBy(ctx, n)
			if err != nil || len(nodes) != len(h.broker(z).Nodes()) {
				return false
			}
			for _, seen := range nodes {
				if !seen.Running || len(seen.Partitions) > 0 {
					return false
				}
			}
		}
	}
	return true
}

// Cut implements drivertest.Breaker: between zones, or between the clients and one node.
func (h *harness) Cut(context.Context) (mend func(context.Context) error, err error) {
	for _, b := range h.borders {
		b.set(false)
	}
	if len(h.borders) == 0 {
		h.isolate(h.victims()[0])
	}
	return func(context.Context) error {
		for _, b := range h.borders {
			b.set(true)
		}
		h.isolate(nil)
		return nil
	}, nil
}

// isolate cuts the clients' connections to node, and lets none be made, until it is called with another.
func (h *harness) isolate(node *rabbitmq.Node) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, line := range h.cables {
		line.isolate(node)
	}
}

// A border is the way to a node of another zone, which can be closed.
type border struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	shut  bool
	conns []net.Conn
}

func newBorder(tb testing.TB, target string) *border {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	b := &border{listener: l, target: target}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if b.let(c) {
				go forward(c, target)
			}
		}
	}()
	return b
}

func (b *border) let(c net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shut {
		_ = c.Close()
		return false
	}
	b.conns = append(b.conns, c)
	return true
}

func (b *border) set(open bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shut = !open
	for _, c := range b.conns {
		if !open {
			_ = c.Close()
		}
	}
}

func (b *border) close() {
	_ = b.listener.Close()
	b.set(false)
}
