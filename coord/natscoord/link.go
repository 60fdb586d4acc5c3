package natscoord

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// link follows the state of a connection. Each time the connection is up it
// has an epoch: a context that ends, with errDown or errClosed as its cause, as soon
// as the connection breaks. Requests bound to the epoch fail at once instead of
// waiting for an answer that will not come, and nothing is buffered for later.
type link struct {
	nc     *nats.Conn
	status chan nats.Status
	ended  chan struct{}

	mu     sync.Mutex
	epoch  context.Context // nil while the connection is down
	cancel context.CancelCauseFunc
	up     chan struct{} // closed when an epoch begins
	closed bool
}

func newLink(nc *nats.Conn) *link {
	l := &link{
		nc:     nc,
		status: nc.StatusChanged(nats.CONNECTED, nats.RECONNECTING, nats.DISCONNECTED, nats.CLOSED),
		ended:  make(chan struct{}),
		up:     make(chan struct{}),
	}
	l.set(nc.Status())
	go l.run()
	return l
}

func (l *link) run() {
	defer close(l.ended)
	for s := range l.status {
		l.set(s)
	}
	l.set(nats.CLOSED)
}

// close ends the following, not the connection. Nothing can be done on the link
// afterwards.
func (l *link) close() {
	l.nc.RemoveStatusListener(l.status)
	<-l.ended
}

func (l *link) set(s nats.Status) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	if l.cancel != nil {
		cause := error(errDown)
		if s == nats.CLOSED {
			cause = errClosed
		}
		l.cancel(cause)
		l.epoch, l.cancel = nil, nil
		l.up = make(chan struct{})
	}
	switch s {
	case nats.CONNECTED:
		l.epoch, l.cancel = context.WithCancelCause(context.Background())
		close(l.up)
	case nats.CLOSED:
		l.closed = true
		close(l.up)
	}
}

// current waits until the connection is up and returns its epoch. It fails when
// ctx ends first or the connection is closed for good.
func (l *link) current(ctx context.Context) (context.Context, error) {
	for {
		l.mu.Lock()
		epoch, up, closed := l.epoch, l.up, l.closed
		l.mu.Unlock()
		if closed {
			return nil, errClosed
		}
		if epoch != nil {
			return epoch, nil
		}
		select {
		case <-up:
		case <-ctx.Done():
			return nil, errDown
		}
	}
}

// attach waits as current does and returns ctx ended also by the end of the epoch.
func (l *link) attach(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	epoch, err := l.current(ctx)
	if err != nil {
		return nil, nil, err
	}
	bound, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(epoch, func() { cancel(context.Cause(epoch)) })
	return bound, func() { stop(); cancel(nil) }, nil
}

// bind is attach for one request, which has requestTimeout if ctx has no deadline.
func (l *link) bind(ctx context.Context) (context.Context, context.CancelFunc, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeoutOf(ctx))
	bound, release, err := l.attach(ctx)
	if err != nil {
		cancel()
		return nil, nil, err
	}
	return bound, func() { release(); cancel() }, nil
}

func requestTimeoutOf(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return time.Until(deadline)
	}
	return requestTimeout
}
