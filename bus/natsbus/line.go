package natsbus

import (
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	lineLimit = 4 << 20  // bytes that may wait for the socket
	lineKept  = 64 << 10 // bytes that a buffer keeps between bursts
	farewell  = 200 * time.Millisecond
)

// line is a connection whose Write only appends to a buffer that a goroutine
// sends. nats.go holds its one lock while it writes: with a line under it, no
// publisher waits for a system call, and what is published during one goes out
// with the next. A failed write closes the connection, so that nats.go's reader
// notices at once.
type line struct {
	net.Conn

	mu      sync.Mutex
	changed sync.Cond // there is more to send, more room, or the end
	pending []byte
	closed  bool
	err     error
	done    chan struct{} // closed when the sender has ended
}

func newLine(c net.Conn) *line {
	l := &line{Conn: c, done: make(chan struct{})}
	l.changed.L = &l.mu
	go l.run()
	return l
}

// Write implements net.Conn. It waits only while the buffer is full.
func (l *line) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.pending) > lineLimit && l.err == nil && !l.closed {
		l.changed.Wait()
	}
	if l.err != nil {
		return 0, l.err
	}
	if l.closed {
		return 0, net.ErrClosed
	}
	if len(l.pending) == 0 {
		l.changed.Signal()
	}
	l.pending = append(l.pending, p...)
	return len(p), nil
}

// run sends what is written until the line is closed or broken.
func (l *line) run() {
	defer close(l.done)
	var sending []byte
	for {
		l.mu.Lock()
		for len(l.pending) == 0 && !l.closed {
			l.changed.Wait()
		}
		if len(l.pending) == 0 {
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
		runtime.Gosched() // whoever is about to publish goes out with this write
		l.mu.Lock()
		sending, l.pending = l.pending, sending[:0]
		l.changed.Broadcast()
		l.mu.Unlock()
		if err := l.send(sending); err != nil {
			return
		}
		if cap(sending) > lineKept {
			sending = nil
		}
	}
}

func (l *line) send(p []byte) error {
	_ = l.Conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := l.Conn.Write(p)
	if err == nil {
		return nil
	}
	l.mu.Lock()
	l.err = err
	l.changed.Broadcast()
	l.mu.Unlock()
	_ = l.Conn.Close()
	return err
}

// SetWriteDeadline implements net.Conn: every write has its own deadline already.
func (l *line) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline implements net.Conn.
func (l *line) SetDeadline(t time.Time) error { return l.SetReadDeadline(t) }

// Close sends what is left, for a short time, and closes the connection.
func (l *line) Close() error {
	l.mu.Lock()
	l.closed = true
	l.changed.Broadcast()
	l.mu.Unlock()
	_ = l.Conn.SetWriteDeadline(time.Now().Add(farewell))
	select {
	case <-l.done:
	case <-time.After(farewell):
	}
	return l.Conn.Close()
}

// lineDialer puts lines on what another dialer opens.
type lineDialer struct{ nats.CustomDialer }

func (d lineDialer) Dial(network, address string) (net.Conn, error) {
	c, err := d.CustomDialer.Dial(network, address)
	if err != nil {
		return nil, err
	}
	return newLine(c), nil
}

// lineProvider puts lines on in-process connections.
type lineProvider struct{ nats.InProcessConnProvider }

func (p lineProvider) InProcessConn() (net.Conn, error) {
	c, err := p.InProcessConnProvider.InProcessConn()
	if err != nil {
		return nil, err
	}
	return newLine(c), nil
}
