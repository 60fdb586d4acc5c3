package rabbitbus

import (
	"context"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	writeTimeout = 5 * time.Second // a broker that takes nothing for that long counts as gone, unless it said why
	lineLimit    = 4 << 20         // bytes that may wait for the socket before publishers wait for room
	lineChunk    = 256 << 10
	lineKept     = 64 << 10 // bytes that a buffer keeps between bursts
)

// line is a connection whose Write only appends to a buffer that a goroutine sends. amqp091-go
// holds the connection's one lock while it writes and knows no contexts: with a line under it,
// nobody waits for a system call, what is published during one goes out with the next, and a
// broker that does not read holds nobody up. Those who publish wait for room first, each within
// its own context. natsbus does the same for the same reasons.
type line struct {
	net.Conn

	mu      sync.Mutex
	changed sync.Cond // there is something to send, or the end
	pending []byte
	err     error // why nothing is sent any more

	full    atomic.Pointer[chan struct{}] // while there is no room; closed when there is again
	blocked atomic.Pointer[chan struct{}] // while the broker said that it takes nothing; closed after that
}

func newLine(c net.Conn) *line {
	l := &line{Conn: c}
	l.changed.L = &l.mu
	go l.run()
	return l
}

// awaitRoom returns nil when more may be written, or when the line has ended and a write will say why.
func (l *line) awaitRoom(ctx context.Context) error {
	for _, gate := range [...]*atomic.Pointer[chan struct{}]{&l.blocked, &l.full} {
		closed := gate.Load()
		if closed == nil {
			continue
		}
		select {
		case <-*closed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// shut tells that whoever publishes must wait for room.
func (l *line) shut() bool { return l.full.Load() != nil || l.blocked.Load() != nil }

// block notes that the broker takes nothing (connection.blocked), or does again.
func (l *line) block(on bool) {
	if on {
		gate := make(chan struct{})
		l.blocked.CompareAndSwap(nil, &gate)
	} else {
		unlatch(&l.blocked)
	}
	l.setDeadline()
}

func unlatch(gate *atomic.Pointer[chan struct{}]) {
	if closed := gate.Swap(nil); closed != nil {
		close(*closed)
	}
}

// Write implements net.Conn. It keeps a copy of p and does not block.
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
	unlatch(&l.full)
	return taken
}

func (l *line) send(p []byte) error {
	for len(p) > 0 {
		l.setDeadline()
		n, err := l.Conn.Write(p[:min(len(p), lineChunk)])
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// setDeadline bounds the next write and the one under way. A broker that said that it takes
// nothing may do so for as long as it likes: its heartbeats tell that it is alive.
func (l *line) setDeadline() {
	l.mu.Lock()
	defer l.mu.Unlock()
	deadline := time.Now().Add(writeTimeout)
	if l.blocked.Load() != nil {
		deadline = time.Time{}
	}
	_ = l.Conn.SetWriteDeadline(deadline)
}

// end lets no more be written and releases whoever waits.
func (l *line) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
	}
	l.changed.Signal()
	unlatch(&l.full)
	unlatch(&l.blocked)
}

// SetWriteDeadline implements net.Conn: every write has its own deadline already.
func (l *line) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline implements net.Conn.
func (l *line) SetDeadline(t time.Time) error { return l.SetReadDeadline(t) }

// Close closes the connection at once. What was not sent yet is lost.
func (l *line) Close() error {
	l.end(net.ErrClosed)
	return l.Conn.Close()
}
