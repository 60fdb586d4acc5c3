package natsbus

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	lineLimit = 4 << 20   // bytes that may wait for the socket before publishers wait for room
	lineChunk = 256 << 10 // bytes that the server must take within writeTimeout
	lineKept  = 64 << 10  // bytes that a buffer keeps between bursts
)

// line is a connection whose Write only appends to a buffer that a goroutine
// sends. nats.go holds its one lock while it writes: with a line under it, no
// publisher waits for a system call, and what is published during one goes out
// with the next.
//
// Write never blocks, so that nobody is held up by that lock for longer than its
// own budget, even while the server does not read. It is those who publish who wait
// for room first, each within its own context: the buffer exceeds lineLimit by what
// they hold in their hands at most. A write that fails or makes no progress for
// writeTimeout closes the connection, so that nats.go's reader notices at once.
type line struct {
	net.Conn

	mu      sync.Mutex
	changed sync.Cond // there is something to send, or the end
	pending []byte
	err     error // why nothing is sent any more

	full atomic.Pointer[chan struct{}] // while there is no room; closed when there is again
}

func newLine(c net.Conn) *line {
	l := &line{Conn: c}
	l.changed.L = &l.mu
	go l.run()
	return l
}

// awaitRoom returns nil when more may be written, or when the line has ended and
// a write will say why. A line of nil has room.
func (l *line) awaitRoom(ctx context.Context) error {
	if l == nil {
		return nil
	}
	full := l.full.Load()
	if full == nil {
		return nil
	}
	select {
	case <-*full:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Write implements net.Conn. It keeps a copy of p and does not block. Where it
// fails, with ErrDisconnected in the chain, nothing of p was sent.
func (l *line) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return 0, l.err
	}
	l.pending = append(l.pending, p...)
	if len(l.pending) > lineLimit && l.full.Load() == nil {
		full := make(chan struct{})
		l.full.Store(&full)
	}
	l.changed.Signal()
	return len(p), nil
}

// run sends what is written until the line is closed or broken.
func (l *line) run() {
	var sending []byte
	for l.await() {
		runtime.Gosched() // whoever is about to publish goes out with this write
		sending = l.swap(sending[:0])
		if err := l.send(sending); err != nil {
			l.end(err)
			_ = l.Conn.Close()
			return
		}
		if cap(sending) > lineKept {
			sending = nil
		}
	}
}

// await reports whether there is something to send, rather than the end.
func (l *line) await() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.pending) == 0 && l.err == nil {
		l.changed.Wait()
	}
	return l.err == nil
}

// swap takes what is to be sent and leaves empty in its place.
func (l *line) swap(empty []byte) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.pending
	l.pending = empty
	l.makeRoom()
	return taken
}

func (l *line) makeRoom() {
	if full := l.full.Swap(nil); full != nil {
		close(*full)
	}
}

func (l *line) send(p []byte) error {
	for len(p) > 0 {
		chunk := p[:min(len(p), lineChunk)]
		_ = l.Conn.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := l.Conn.Write(chunk); err != nil {
			return err
		}
		p = p[len(chunk):]
	}
	return nil
}

// end lets no more be written and releases whoever waits.
func (l *line) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = fmt.Errorf("%w: %w", nats.ErrDisconnected, err)
	}
	l.changed.Signal()
	l.makeRoom()
}

// SetWriteDeadline implements net.Conn: every write has its own deadline already.
func (l *line) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline implements net.Conn.
func (l *line) SetDeadline(t time.Time) error { return l.SetReadDeadline(t) }

// Close closes the connection at once. What was not sent yet is lost: flush first.
func (l *line) Close() error {
	l.end(net.ErrClosed)
	return l.Conn.Close()
}

// lines makes the connections of one nats.Conn into lines. It closes the line before
// when it opens the next: nats.go has one at a time, and leaves it open where the
// server refused it.
type lines struct {
	dialer    nats.CustomDialer
	inProcess nats.InProcessConnProvider
	current   atomic.Pointer[line]
	closed    atomic.Bool
}

// Dial implements nats.CustomDialer.
func (d *lines) Dial(network, address string) (net.Conn, error) {
	c, err := d.dialer.Dial(network, address)
	return d.open(c, err)
}

// InProcessConn implements nats.InProcessConnProvider.
func (d *lines) InProcessConn() (net.Conn, error) {
	c, err := d.inProcess.InProcessConn()
	return d.open(c, err)
}

func (d *lines) open(c net.Conn, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	l := newLine(c)
	if old := d.current.Swap(l); old != nil {
		_ = old.Close()
	}
	if d.closed.Load() {
		d.close()
	}
	return l, nil
}

// close closes the line that is open and every later one: a nats.Conn that is closed
// while it connects again forgets the connection that it just made.
func (d *lines) close() {
	d.closed.Store(true)
	if l := d.current.Load(); l != nil {
		_ = l.Close()
	}
}
