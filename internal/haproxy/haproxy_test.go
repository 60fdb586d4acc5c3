package haproxy

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hansom-platform/hansom/internal/engine"
	"github.com/hansom-platform/hansom/internal/rabbitmq"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func proxy(t *testing.T, own, others []Server) *Proxy {
	t.Helper()
	p, err := Start(t.Context(), Config{
		Dir: t.TempDir(), Own: own, Others: others, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	must(t, err)
	t.Cleanup(func() {
		must(t, p.Close(context.Background()))
		if t.Failed() {
			said, _ := os.ReadFile(p.config.Dir + "/haproxy.log")
			t.Logf("HAProxy said:\n%s", said)
		}
	})
	return p
}

// A greeter answers the greeting of AMQP as a broker does, and after that a byte with its name. HAProxy's choices need no more.
type greeter struct {
	name     byte
	address  string
	listener net.Listener
	http     *httptest.Server

	mu    sync.Mutex
	mute  bool // takes connections and says nothing, as a stopped broker
	conns map[net.Conn]bool
}

func newGreeter(t *testing.T, name byte) *greeter {
	t.Helper()
	g := &greeter{name: name, conns: map[net.Conn]bool{}}
	g.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte{name})
	}))
	t.Cleanup(g.http.Close)
	port, err := engine.FreePort()
	must(t, err)
	g.address = engine.Local(port)
	g.live(t)
	t.Cleanup(g.die)
	return g
}

func (g *greeter) server() Server {
	return Server{AMQP: g.address, Management: g.http.Listener.Addr().String()}
}

func (g *greeter) live(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp4", g.address)
	must(t, err)
	g.mu.Lock()
	g.listener = listener
	g.mu.Unlock()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go g.greet(conn)
		}
	}()
}

func (g *greeter) greet(conn net.Conn) {
	g.mu.Lock()
	g.conns[conn] = true
	mute := g.mute
	g.mu.Unlock()
	var hello [8]byte
	if _, err := io.ReadFull(conn, hello[:]); err == nil && !mute {
		_, _ = conn.Write([]byte{1, g.name})
	}
	_, _ = io.Copy(io.Discard, conn)
	conn.Close()
	g.mu.Lock()
	delete(g.conns, conn)
	g.mu.Unlock()
}

func (g *greeter) setMute(mute bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mute = mute
}

// die is what kill -9 does: nothing listens, and every connection is cut.
func (g *greeter) die() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.listener.Close()
	for conn := range g.conns {
		conn.Close()
	}
}

// client connects through the proxy and returns the name of the greeter behind it. The connection stays open for the test.
func client(t *testing.T, p *Proxy) (net.Conn, string, error) {
	t.Helper()
	conn, err := net.DialTimeout("tcp4", p.Address(), time.Second)
	if err != nil {
		return nil, "", err
	}
	t.Cleanup(func() { conn.Close() })
	must(t, conn.SetReadDeadline(time.Now().Add(time.Second)))
	if _, err := conn.Write([]byte("AMQP\x00\x00\x09\x01")); err != nil {
		return nil, "", err
	}
	var answer [2]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return nil, "", err
	}
	must(t, conn.SetReadDeadline(time.Time{}))
	return conn, string(answer[1:]), nil
}

// await wants clients to reach one of names within the time, and returns such a connection.
func await(t *testing.T, p *Proxy, within time.Duration, names string) net.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	var conn net.Conn
	must(t, engine.Await(ctx, nil, func(context.Context) error {
		c, name, err := client(t, p)
		if err != nil {
			return err
		}
		for i := range names {
			if names[i:i+1] == name {
				conn = c
				return nil
			}
		}
		c.Close()
		return fmt.Errorf("reached %s, want one of %s", name, names)
	}))
	return conn
}

// wantCut wants the proxy to end a connection within the time.
func wantCut(t *testing.T, conn net.Conn, within time.Duration, why string) {
	t.Helper()
	must(t, conn.SetReadDeadline(time.Now().Add(within)))
	var rest [1]byte
	if _, err := conn.Read(rest[:]); err == nil || os.IsTimeout(err) {
		t.Errorf("the connection is open %v after %s (%v), want it cut", within, why, err)
	}
}

func TestPrefersOwnZone(t *testing.T) {
	if testing.Short() {
		return // it needs HAProxy
	}
	a, b, other := newGreeter(t, 'a'), newGreeter(t, 'b'), newGreeter(t, 'c')
	p := proxy(t, []Server{a.server(), b.server()}, []Server{other.server()})
	reached := map[string]int{}
	for range 10 {
		_, name, err := client(t, p)
		must(t, err)
		reached[name]++
	}
	if reached["a"] != 5 || reached["b"] != 5 {
		t.Errorf("10 connections reached %v, want 5 each of a and b", reached)
	}

	// One gone: the other has them all, and nobody waits for long.
	a.die()
	begun := time.Now()
	for range 5 {
		if _, name, err := client(t, p); err != nil || name != "b" {
			t.Errorf("with a dead, a client reached %q (%v), want b", name, err)
		}
	}
	if took := time.Since(begun); took > time.Second {
		t.Errorf("with a dead, 5 clients took %v to reach b, want less than a second", took)
	}

	// Both gone: the other zone. One back: home, also for those that stayed connected.
	b.die()
	away := await(t, p, 3*time.Second, "c")
	a.live(t)
	wantCut(t, away, 5*time.Second, "the own zone's return")
	await(t, p, 3*time.Second, "a")
}

func TestLeavesStopped(t *testing.T) {
	if testing.Short() {
		return // it needs HAProxy
	}
	a, other := newGreeter(t, 'a'), newGreeter(t, 'c')
	p := proxy(t, []Server{a.server()}, []Server{other.server()})
	conn := await(t, p, time.Second, "a")
	a.setMute(true)
	wantCut(t, conn, 3*time.Second, "its broker stopped")
	away := await(t, p, 3*time.Second, "c")
	a.setMute(false)
	wantCut(t, away, 5*time.Second, "the own zone's return")
}

func TestManagementFollows(t *testing.T) {
	if testing.Short() {
		return // it needs HAProxy
	}
	a, other := newGreeter(t, 'a'), newGreeter(t, 'c')
	p := proxy(t, []Server{a.server()}, []Server{other.server()})
	ask := func(context.Context) (string, error) {
		response, err := http.Get("http://" + p.Management())
		if err != nil {
			return "", err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		return string(body), err
	}
	if name, err := ask(t.Context()); err != nil || name != "a" {
		t.Errorf("the management API is %q's (%v), want a's", name, err)
	}
	a.http.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	must(t, engine.Await(ctx, nil, func(ctx context.Context) error {
		name, err := ask(ctx)
		if err == nil && name != "c" {
			err = fmt.Errorf("the management API is %q's, want c's", name)
		}
		return err
	}))
}

// TestAsInstalled has HAProxy read the file as operators start it: the other tests leave out what takes root.
func TestAsInstalled(t *testing.T) {
	if testing.Short() {
		return // it needs HAProxy
	}
	program, err := find()
	must(t, err)
	check := exec.CommandContext(t.Context(), program, "-c", "-f", "../../deploy/haproxy/haproxy.cfg")
	check.Env = []string{"HANSOM_BROKER_1=127.0.0.1:1", "HANSOM_BROKER_1_MANAGEMENT=127.0.0.1:2"}
	if said, err := check.CombinedOutput(); err != nil {
		t.Errorf("HAProxy does not take the file: %v\n%s", err, said)
	}
}

func TestStartRefuses(t *testing.T) {
	if _, err := Start(t.Context(), Config{Dir: t.TempDir()}); err == nil {
		t.Error("it started without a broker")
	}
}

// TestRealBrokers has a cluster of two at home and a broker in another zone, and breaks them as production does.
func TestRealBrokers(t *testing.T) {
	if testing.Short() {
		return // it needs HAProxy
	}
	home, away := broker(t, "a", 2), broker(t, "b", 1)
	p := proxy(t, servers(home), servers(away))
	dial := func() (*amqp.Connection, error) {
		return amqp.DialConfig("amqp://"+p.Address(), amqp.Config{
			SASL: []amqp.Authentication{&amqp.PlainAuth{Username: "hansom", Password: "secret"}}, Heartbeat: 2 * time.Second,
		})
	}
	first, second := home.Nodes()[0], home.Nodes()[1]
	connected, err := dial()
	must(t, err)
	defer connected.Close()

	// kill -9 of one: whoever was on it is cut at once, and everybody gets the other.
	must(t, first.Kill())
	begun := time.Now()
	again := redial(t, dial, 2*time.Second, "a")
	t.Logf("kill -9 of one of two: connected again after %v", time.Since(begun).Round(time.Millisecond))

	// The last one stopped: its connections are cut within 3 s, and the other zone takes over.
	closed := again.NotifyClose(make(chan *amqp.Error, 1))
	must(t, second.Stop())
	begun = time.Now()
	select {
	case <-closed: //nolint:errcheck // why it was cut does not matter
	case <-time.After(4 * time.Second):
		t.Error("a connection to a stopped broker is open after 4 s")
	}
	abroad := redial(t, dial, 3*time.Second, "b")
	t.Logf("stopped broker: connected to the other zone after %v", time.Since(begun).Round(time.Millisecond))

	closed = abroad.NotifyClose(make(chan *amqp.Error, 1))
	must(t, second.Continue())
	select {
	case <-closed: //nolint:errcheck // why it was cut does not matter
	case <-time.After(15 * time.Second):
		t.Error("a connection to the other zone is open 15 s after the own zone's return")
	}
	redial(t, dial, 3*time.Second, "a")
}

func broker(t *testing.T, cluster string, nodes int) *rabbitmq.Broker {
	t.Helper()
	b, err := rabbitmq.Start(t.Context(), rabbitmq.Config{
		Dir: t.TempDir(), Cluster: cluster, Nodes: nodes, User: "hansom", Password: "secret",
	})
	must(t, err)
	t.Cleanup(func() {
		for _, n := range b.Nodes() {
			must(t, n.Kill())
		}
		must(t, b.Close(context.Background()))
	})
	return b
}

func servers(b *rabbitmq.Broker) (all []Server) {
	for _, n := range b.Nodes() {
		all = append(all, Server{AMQP: n.Address(), Management: n.ManagementAddress()})
	}
	return all
}

// redial wants to reach the cluster within the time.
func redial(t *testing.T, dial func() (*amqp.Connection, error), within time.Duration, cluster string) *amqp.Connection {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	var conn *amqp.Connection
	must(t, engine.Await(ctx, nil, func(context.Context) error {
		c, err := dial()
		if err != nil {
			return err
		}
		if name := c.Properties["cluster_name"]; name != cluster {
			c.Close()
			return fmt.Errorf("reached cluster %v, want %s", name, cluster)
		}
		conn = c
		return nil
	}))
	t.Cleanup(func() { conn.Close() })
	return conn
}
