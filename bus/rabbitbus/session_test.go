package rabbitbus

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// TestOnOneBroker are the tests of this package that need no broker of their own.
func TestOnOneBroker(t *testing.T) {
	if testing.Short() {
		return
	}
	e := startEngine(t, topologies[0])
	for name, test := range map[string]func(*testing.T, *engine){
		"a name is claimed twice":              testClaimedTwice,
		"a connection that broke comes back":   testComesBack,
		"a call under way when it breaks":      testLostUnderWay,
		"a broker that takes nothing":          testBlocked,
		"TLS":                                  testTLS,
		"a user with few permissions":          testFewPermissions,
		"what the broker cannot route":         testNobodyAnswers,
		"a message too odd for AMQP":           testOddMessages,
		"wrong password":                       testWrongPassword,
		"nobody listens":                       testNobodyListens,
		"a confirm channel that was refused":   testConfirmedRefused,
		"requests after a lane is closed":      testLaneCloses,
		"a consumer that the broker cancelled": testConsumerCancelled,
		"calls that are given up early":        testGivenUp,
		"an instance that no zone has told of": testSearch,
		"a reply that no link takes":           testSeek,
		"a broker that another zone claimed":   testReclaimed,
		"bindings that were not announced":     testOwedAnnouncement,
		"bindings read on two connections":     testReadOnTwo,
		"a process that was stopped":           testStoppedProcess,
	} {
		t.Run(name, func(t *testing.T) { test(t, e.in(t)) })
	}
}

// in returns e for a subtest.
func (e *engine) in(t *testing.T) *engine {
	return &engine{tb: t, zones: e.zones, brokers: e.brokers}
}

// cord is a dialer whose connections can be cut, and come back.
type cord struct {
	mu    sync.Mutex
	conns []net.Conn
	wrap  func(net.Conn) net.Conn
}

func (c *cord) dial(ctx context.Context, network, address string) (net.Conn, error) {
	socket, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if c.wrap != nil {
		socket = c.wrap(socket)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns = append(c.conns, socket)
	return socket, nil
}

func (c *cord) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, socket := range c.conns {
		_ = socket.Close()
	}
	c.conns = nil
}

func (e *engine) connectBy(c Config) *conn {
	e.tb.Helper()
	opened, err := open(e.tb.Context(), c)
	if err != nil {
		e.tb.Fatal(err)
	}
	e.tb.Cleanup(func() { _ = opened.Close(context.Background()) })
	return opened
}

func (e *engine) connectWith(c *cord) *conn {
	config := e.config(zoneA)
	config.Dialer = c.dial
	return e.connectBy(config)
}

func echo(m *driver.Message, r driver.Replier) {
	_ = r.Reply(&driver.Message{Header: driver.Header{{Key: driver.HeaderType, Value: driver.TypeReply}}, Body: m.Body})
}

func serve(t *testing.T, c *conn, instance string, h driver.Handler) driver.Consumer {
	t.Helper()
	s, err := c.Serve(t.Context(), instance, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// ask calls an instance directly, with a budget.
func ask(t *testing.T, c *conn, instance string, budget time.Duration) error {
	ctx, cancel := context.WithTimeout(t.Context(), budget)
	defer cancel()
	_, err := c.Request(ctx, instance, &driver.Message{Header: driver.Header{{Key: driver.HeaderBudget, Value: "10000"}}})
	return err
}

func wantFault(t *testing.T, err error, code fault.Code, reason string) {
	t.Helper()
	if !fault.Is(err, code) || fault.ReasonOf(err) != reason {
		t.Fatalf("got %v; want %s %s", err, code, reason)
	}
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !done(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 15 s: %s", what)
		}
	}
}

func testClaimedTwice(t *testing.T, e *engine) {
	first, second := e.connect(zoneA), e.connect(zoneA)
	serve(t, first, "twice-1", echo)
	ctx, cancel := context.WithTimeout(t.Context(), 3*lockPatience)
	defer cancel()
	_, err := second.Serve(ctx, "twice-1", echo)
	wantFault(t, err, fault.Unavailable, driver.ReasonEngine)
	if !strings.Contains(err.Error(), "every instance needs an id of its own") {
		t.Errorf("the error does not say what to do: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err = second.Serve(ctx, "twice-1", echo)
	wantFault(t, err, fault.Unavailable, driver.ReasonEngine)
	if !strings.Contains(err.Error(), "every instance needs an id of its own") {
		t.Errorf("the error of a short call does not say what to do: %v", err)
	}
	if err := ask(t, first, "twice-1", 5*time.Second); err != nil {
		t.Errorf("the first holder: %v", err)
	}
}

func testComesBack(t *testing.T, e *engine) {
	line := new(cord)
	server, client := e.connectWith(line), e.connect(zoneA)
	serve(t, server, "back-1", echo)
	for range 5 {
		line.cut()
		eventually(t, "the instance answers again", func() bool { return ask(t, client, "back-1", time.Second) == nil })
	}
}

func testLostUnderWay(t *testing.T, e *engine) {
	line := new(cord)
	server, client := e.connect(zoneA), e.connectWith(line)
	entered := make(chan struct{}, 1)
	serve(t, server, "lost-1", func(*driver.Message, driver.Replier) { entered <- struct{}{} })
	failed := make(chan error, 1)
	go func() { failed <- ask(t, client, "lost-1", 10*time.Second) }()
	<-entered
	begun := time.Now()
	line.cut()
	wantFault(t, <-failed, fault.Unavailable, driver.ReasonLost)
	if took := time.Since(begun); took > time.Second {
		t.Errorf("the caller heard of it after %v; want at once", took)
	}
}

// gag is a connection to a broker that also says what is put into say, between two frames.
type gag struct {
	net.Conn
	pending []byte // to be read next
	left    int    // bytes of the present frame that are not read from Conn yet
	say     chan []byte
}

func (g *gag) Read(p []byte) (int, error) {
	if len(g.pending) == 0 && g.left > 0 {
		n, err := g.Conn.Read(p[:min(len(p), g.left)])
		g.left -= n
		return n, err
	}
	if len(g.pending) == 0 {
		if err := g.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, g.pending)
	g.pending = g.pending[n:]
	return n, nil
}

func (g *gag) next() error {
	select {
	case g.pending = <-g.say:
		return nil
	default:
	}
	g.pending = make([]byte, 7)
	if _, err := io.ReadFull(g.Conn, g.pending); err != nil {
		return err
	}
	g.left = int(binary.BigEndian.Uint32(g.pending[3:])) + 1
	return nil
}

func testBlocked(t *testing.T, e *engine) {
	var mu sync.Mutex
	var current *gag
	line := &cord{wrap: func(socket net.Conn) net.Conn {
		mu.Lock()
		defer mu.Unlock()
		current = &gag{Conn: socket, say: make(chan []byte, 2)}
		return current
	}}
	server, client := e.connect(zoneA), e.connectWith(line)
	serve(t, server, "blocked-1", echo)
	if err := ask(t, client, "blocked-1", 5*time.Second); err != nil {
		t.Fatal(err)
	}
	live := client.connection.live.Load()
	current.say <- []byte{1, 0, 0, 0, 0, 0, 8, 0, 10, 0, 60, 3, 'l', 'o', 'w', 0xce}
	eventually(t, "the session knows that the broker takes nothing", live.line.shut)
	begun := time.Now()
	wantFault(t, ask(t, client, "blocked-1", 300*time.Millisecond), fault.Unavailable, driver.ReasonDisconnected)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := client.confirmed(ctx, exchangeTopic, "t", false, amqp.Publishing{})
	wantFault(t, err, fault.Unavailable, driver.ReasonDisconnected)
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("two calls of 300 ms took %v", took)
	}
	current.say <- []byte{1, 0, 0, 0, 0, 0, 4, 0, 10, 0, 61, 0xce}
	eventually(t, "calls succeed again", func() bool { return ask(t, client, "blocked-1", time.Second) == nil })
}

func testNobodyAnswers(t *testing.T, e *engine) {
	c := e.connect(zoneA)
	begun := time.Now()
	wantFault(t, ask(t, c, "nobody-1", 5*time.Second), fault.NoRoute, "bus.no_route.no_such_instance")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := c.Request(ctx, "", &driver.Message{Header: driver.Header{{Key: driver.HeaderService, Value: "core.nobody"}}})
	wantFault(t, err, fault.NoRoute, "bus.no_route.unknown_service")
	if took := time.Since(begun); took > time.Second {
		t.Errorf("two refusals took %v; want them at once", took)
	}
}

// testOddMessages sends what would make amqp091-go or the broker close something.
func testOddMessages(t *testing.T, e *engine) {
	c := e.connect(zoneA)
	got := make(chan driver.Header, 1)
	serve(t, c, "odd-1", func(m *driver.Message, r driver.Replier) {
		got <- m.Header
		echo(m, r)
	})
	long := strings.Repeat("x", 1000)
	call := func(instance string, fields ...driver.Field) error {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := c.Request(ctx, instance, &driver.Message{Header: fields})
		return err
	}
	wantFault(t, call("odd-1", driver.Field{Key: long, Value: "1"}), fault.BadRequest, "bus.bad_header")
	wantFault(t, call("", driver.Field{Key: driver.HeaderService, Value: long}), fault.NoRoute, "bus.no_route.unknown_service")
	for _, key := range []string{"CC", "BCC", "x-death", "x-received-from", headerZone, headerReply, headerNoRoute, "x-delivery-count"} {
		if err := call("odd-1", driver.Field{Key: key, Value: "\xff\x00"}); err != nil {
			t.Errorf("a request with header %s: %v", key, err)
			continue
		}
		if h := <-got; h.Get(key) != "\xff\x00" {
			t.Errorf("header %s came as %q in %v", key, h.Get(key), h)
		}
	}
}

func testWrongPassword(t *testing.T, e *engine) {
	config := e.config(zoneA)
	config.URL = "amqp://hansom:wrong-secret@" + e.broker("a").Nodes()[0].Address()
	_, err := open(t.Context(), config)
	wantFault(t, err, fault.Unavailable, driver.ReasonDisconnected)
	if !strings.Contains(err.Error(), "password") || strings.Contains(err.Error(), "wrong-secret") {
		t.Errorf("the error should say that user and password were refused, and not show them: %v", err)
	}
}

func testNobodyListens(t *testing.T, e *engine) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config := e.config(zoneA)
	config.URL = "amqp://hansom:secret@" + l.Addr().String()
	_ = l.Close()
	_, err = open(t.Context(), config)
	wantFault(t, err, fault.Unavailable, driver.ReasonDisconnected)
}

func testConfirmedRefused(t *testing.T, e *engine) {
	c := e.connect(zoneA)
	_, err := c.confirmed(t.Context(), "no-such-exchange", "k", false, amqp.Publishing{})
	wantFault(t, err, fault.Unavailable, driver.ReasonEngine)
	if !hasCode(err, amqp.NotFound) || !strings.Contains(err.Error(), "hansom bus setup") {
		t.Errorf("the error does not say that the exchange is missing: %v", err)
	}
	routed, err := c.confirmed(t.Context(), exchangeTopic, "nobody.subscribed", true, amqp.Publishing{})
	if routed || err != nil {
		t.Errorf("a mandatory message for nobody: got routed %v, %v; want false", routed, err)
	}
}

// testLaneCloses makes the broker close every channel that requests are sent on.
func testLaneCloses(t *testing.T, e *engine) {
	c := e.connect(zoneA)
	serve(t, c, "lane-1", echo)
	s := c.connection.live.Load()
	for i := range s.lanes.all {
		_ = s.lanes.all[i].Load().channel.Publish("no-such-exchange", "", false, false, amqp.Publishing{})
	}
	eventually(t, "calls succeed on new channels", func() bool { return ask(t, c, "lane-1", time.Second) == nil })
	for i := range s.lanes.all { // a request that meets an ended lane was not sent, and waits for the next one
		s.lanes.all[i].Load().end(errors.New("the lane ended"))
		time.AfterFunc(20*time.Millisecond, func() { _ = s.openLane(s.ctx, i) })
	}
	if err := ask(t, c, "lane-1", 5*time.Second); err != nil {
		t.Errorf("a call while the lanes are away: %v", err)
	}
	if c.connection.live.Load() != s {
		t.Error("the connection was opened anew; want new channels only")
	}
}

// testConsumerCancelled deletes an instance's queue under it, as an operator can.
func testConsumerCancelled(t *testing.T, e *engine) {
	c := e.connect(zoneA)
	serve(t, c, "cancelled-1", echo)
	err := c.connection.live.Load().do(t.Context(), "delete the queue", func(ch *amqp.Channel) error {
		_, err := ch.QueueDelete("cancelled-1", false, false, false)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the queue is declared again", func() bool { return ask(t, c, "cancelled-1", time.Second) == nil })
}

// testGivenUp opens what takes several steps within contexts that end after any of them. The connection, which all
// calls share, bears that, and no queue is left.
func testGivenUp(t *testing.T, e *engine) {
	c := e.connect(zoneA)
	s := c.connection.live.Load()
	const tries = 100
	var callers sync.WaitGroup
	for n := range 4 {
		instance := fmt.Sprint("given-up-", n)
		callers.Go(func() {
			for i := range tries {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*8*time.Millisecond/tries)
				if consumer, err := c.Serve(ctx, instance, echo); err == nil {
					_ = consumer.Close()
				}
				if consumer, err := c.Subscribe(ctx, driver.Subscription{Topic: "given.up"}, nil); err == nil {
					_ = consumer.Close()
				}
				cancel()
			}
		})
	}
	callers.Wait()
	for n := range 4 {
		instance := fmt.Sprint("given-up-", n)
		eventually(t, "what was given up left no queue", func() bool { return fault.Is(ask(t, c, instance, time.Second), fault.NoRoute) })
	}
	if c.connection.live.Load() != s || s.ctx.Err() != nil {
		t.Error("the connection was lost")
	}
}
