package natsbus

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// stuckConn is a socket whose peer stops reading: writes block until they time
// out or the socket is closed.
type stuckConn struct {
	net.Conn
	stuck  *sync.WaitGroup // done when writes may go on
	wrote  func()          // called once, by the first write
	closed chan struct{}
	once   sync.Once

	mu       sync.Mutex
	deadline time.Time
}

func (c *stuckConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	return nil
}

func (c *stuckConn) Write(p []byte) (int, error) {
	c.wrote()
	c.mu.Lock()
	timer := time.NewTimer(time.Until(c.deadline))
	c.mu.Unlock()
	defer timer.Stop()
	free := make(chan struct{})
	go func() {
		c.stuck.Wait()
		close(free)
	}()
	select {
	case <-free:
		return c.Conn.Write(p)
	case <-timer.C:
		return 0, errors.New("write timed out")
	case <-c.closed:
		return 0, net.ErrClosed
	}
}

func (c *stuckConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

type stuckDialer struct{ stuck sync.WaitGroup }

func (d *stuckDialer) Dial(network, address string) (net.Conn, error) {
	c, err := net.Dial(network, address)
	if err != nil {
		return nil, err
	}
	return &stuckConn{Conn: c, stuck: &d.stuck, wrote: func() {}, closed: make(chan struct{})}, nil
}

// A server that does not read holds nobody up for longer than its budget, however
// much waits for the socket, and calls succeed again afterwards.
func TestBudgetsHoldWhileTheServerDoesNotRead(t *testing.T) {
	const callers, budget, slack = 8, 300 * time.Millisecond, writeTimeout / 2
	e := startEngine(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	dialer := &stuckDialer{}
	config := e.config(zoneA)
	config.Dialer = dialer
	d, err := Open(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	b := bus.New(d)
	defer b.Close(ctx)
	call := func(budget time.Duration, body []byte) error {
		ctx, cancel := context.WithTimeout(ctx, budget)
		defer cancel()
		_, err := b.RequestTo(ctx, "core.eta-1", &bus.Message{Body: body})
		return err
	}
	dialer.stuck.Add(1)
	large := make([]byte, bus.MaxBody)
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for range 3 {
				start := time.Now()
				err := call(budget, large)
				if took := time.Since(start); took > budget+slack {
					t.Errorf("a call with a budget of %v took %v (%v)", budget, took, err)
				}
				if !fault.Is(err, fault.Timeout) && !fault.Is(err, fault.Unavailable) {
					t.Errorf("a call that could not be sent: got %v; want TIMEOUT or UNAVAILABLE", err)
				}
			}
		})
	}
	group.Wait()
	dialer.stuck.Done()
	for err = errors.New("not called"); !fault.Is(err, fault.NoRoute); err = call(time.Second, nil) {
		if ctx.Err() != nil {
			t.Fatalf("after the server read again: got %v; want NO_ROUTE, for there is no such instance", err)
		}
	}
}

func TestLineWaitsForRoom(t *testing.T) {
	d := &stuckDialer{}
	ours, theirs := net.Pipe()
	defer theirs.Close()
	writing := make(chan struct{})
	d.stuck.Add(1)
	l := newLine(&stuckConn{Conn: ours, stuck: &d.stuck, wrote: sync.OnceFunc(func() { close(writing) }), closed: make(chan struct{})})
	defer l.Close()
	if err := l.awaitRoom(t.Context()); err != nil {
		t.Fatalf("an empty line: %v; want room", err)
	}
	for range 2 { // the first is on its way into the socket, the second waits
		if n, err := l.Write(make([]byte, lineLimit+1)); n != lineLimit+1 || err != nil {
			t.Fatalf("Write = %d, %v; want %d, nil", n, err, lineLimit+1)
		}
		<-writing
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := l.awaitRoom(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a full line: %v; want %v", err, context.DeadlineExceeded)
	}
	waiting := make(chan error, 1)
	go func() { waiting <- l.awaitRoom(context.Background()) }()
	_ = l.Close()
	if err := <-waiting; err != nil {
		t.Errorf("whoever waited for a line that was closed: %v; want nil", err)
	}
	if _, err := l.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write on a closed line: %v; want %v", err, net.ErrClosed)
	}
}

// nats.go leaves a connection open whose handshake failed, and dials again for ever.
func TestDialingClosesTheLineBefore(t *testing.T) {
	e := startEngine(t)
	d := &lines{dialer: &net.Dialer{}}
	addr := e.current().Addr().String()
	first, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	second, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if _, err := first.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write on the line before: %v; want %v", err, net.ErrClosed)
	}
}

// A nats.Conn that is closed while it connects again forgets the connection it just made.
func TestNoLineStaysOpenAfterClose(t *testing.T) {
	e := startEngine(t)
	d := &lines{dialer: &net.Dialer{}}
	addr := e.current().Addr().String()
	before, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	d.close()
	after, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	for when, c := range map[string]net.Conn{"before": before, "after": after} {
		if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write on the line dialled %s close: %v; want %v", when, err, net.ErrClosed)
		}
	}
}

// The names of two groups' consumers differ whatever the groups and topics are called.
func TestConsumerNamesDoNotCollide(t *testing.T) {
	for _, x := range [][4]string{{"a", "b_t_c", "a_t_b", "c"}, {"a", "b=t=c", "a=t=b", "c"}, {"a", "t=b", "a=t", "b"}} {
		if one, two := consumerName(x[0], x[1]), consumerName(x[2], x[3]); one == two {
			t.Errorf("group %s on %s and group %s on %s: both are %q", x[0], x[1], x[2], x[3], one)
		}
	}
}

// Close may take a while; calls meanwhile fail at once and do not keep a processor busy.
func TestCallsDuringCloseAreRefused(t *testing.T) {
	e := startEngine(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	d, err := Open(ctx, e.config(zoneA))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close(ctx)
	c := d.(*conn)
	c.cancel() // what Close does first
	if _, err := d.Bindings(ctx, zoneA); fault.ReasonOf(err) != driver.ReasonClosed {
		t.Errorf("Bindings during Close: got %v; want %s", err, driver.ReasonClosed)
	}
}
