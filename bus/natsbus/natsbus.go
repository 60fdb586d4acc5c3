// Package natsbus is the bus on NATS with JetStream, embedded or a cluster of
// version 2.11 or newer. Package app opens it; everything else uses package bus.
//
// Bindings live in a key-value bucket, one key for all of a service in a zone, so
// that a change is seen whole. Every connection watches the bucket, applies the
// routing rule itself and sends to the subject of the chosen instance; when the
// server says that nobody listens there, the next candidate is tried at once.
// Events are captured by a stream with interest retention; a group is a durable
// pull consumer of it. All names on the engine are in names.go and the form of a
// message is in wire.go.
//
// While the engine is away, calls wait for it up to two seconds within their own
// deadline, then fail with Unavailable, reason "bus.disconnected": nothing was
// sent. A request that was sent when the connection broke fails with Unavailable,
// reason "bus.connection_lost": it may have been handled.
//
// A budget counts from the receipt, and what waited for a process that stood still
// for a second or more is aged by that (driver.Pulse). Shorter waits on the way, and a
// machine's sleep that its monotonic clock does not count, are not taken off.
package natsbus

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

const (
	dialTimeout  = 2 * time.Second
	patience     = 2 * time.Second // how long a call waits for a lost connection
	pingInterval = 10 * time.Second
	writeTimeout = 2 * time.Second // a server that does not read for that long counts as gone
	maxReconnect = 2 * time.Second
	headroom     = 64 << 10 // for the metadata block, above driver.MaxBody
	callTimeout  = 10 * time.Second
	closeTimeout = time.Second
	keptEvents   = 7 * 24 * time.Hour // how long an event waits for its groups
	keptDead     = 10_000             // dead letters of one group; the oldest make room
)

type conn struct {
	config Config
	nc     *nats.Conn
	lines  lines
	js     jetstream.JetStream
	log    *slog.Logger
	inbox  *inbox
	pulse  *driver.Pulse
	table  driver.Table

	bindings jetstream.KeyValue
	rewatch  chan struct{} // asks for a fresh watch of the bindings
	streams  atomic.Bool   // both streams are known to exist

	ctx    context.Context // ends when this side closes the connection
	cancel context.CancelFunc
	tasks  sync.WaitGroup
	link   atomic.Pointer[link]

	mu        sync.Mutex
	consumers map[driver.Consumer]struct{}
}

var _ driver.Bus = (*conn)(nil)

// A link is the connection between two losses. Calls of nats.go's JetStream do
// not notice a loss, so that they are given link's context.
type link struct {
	ctx    context.Context
	cancel context.CancelFunc
}

func (c *conn) newLink() *link {
	ctx, cancel := context.WithCancel(c.ctx)
	return &link{ctx, cancel}
}

// Open connects, once, and returns when every binding is known. Later losses of
// the connection are mended in the background, for ever.
func Open(ctx context.Context, config Config) (driver.Bus, error) {
	c := &conn{
		config:    config,
		log:       config.Logger,
		inbox:     newInbox(nuid.Next()),
		rewatch:   make(chan struct{}, 1),
		consumers: map[driver.Consumer]struct{}{},
	}
	if c.log == nil {
		c.log = slog.Default()
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.link.Store(c.newLink())
	if err := c.connect(ctx); err != nil {
		c.cancel()
		return nil, err
	}
	if err := c.start(ctx); err != nil {
		_ = c.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	return c, nil
}

func (c *conn) connect(ctx context.Context) error {
	timeout := dialTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, max(time.Until(deadline), time.Millisecond))
	}
	options := []nats.Option{
		nats.Name(c.config.Name),
		nats.Timeout(timeout),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(),
		nats.CustomReconnectDelay(reconnectDelay),
		nats.ReconnectBufSize(-1), // nothing is sent late after a reconnection
		nats.PingInterval(pingInterval),
		nats.FlusherTimeout(writeTimeout),
		nats.DisconnectErrHandler(c.disconnected),
		nats.ReconnectHandler(c.reconnected),
		nats.ErrorHandler(c.asyncError),
		nats.NoCallbacksAfterClientClose(),
	}
	c.lines.dialer, c.lines.inProcess = c.config.dialer(timeout), c.config.InProcess
	if c.config.InProcess != nil {
		options = append(options, nats.InProcessServer(&c.lines))
	} else {
		options = append(options, nats.SetCustomDialer(&c.lines))
	}
	url := c.config.URL
	if url == "" {
		url = nats.DefaultURL
	}
	nc, err := nats.Connect(url, append(options, c.config.Options...)...)
	if err != nil {
		c.lines.close()
		return fault.Wrap(err, fault.Unavailable, driver.ReasonDisconnected,
			"cannot connect to the bus: check that NATS runs at the address in the bus URL, and its user and password")
	}
	c.nc = nc
	if limit := nc.MaxPayload(); limit < driver.MaxBody+headroom {
		nc.Close()
		return fault.New(fault.Unavailable, "bus.small_payload",
			"the NATS server takes messages of %d bytes at most: set its max_payload to at least %d", limit, driver.MaxBody+headroom)
	}
	return nil
}

func reconnectDelay(attempts int) time.Duration {
	d := min(10*time.Millisecond<<min(attempts, 10), maxReconnect)
	return d/2 + rand.N(d)
}

func (c *conn) start(ctx context.Context) error {
	var err error
	if c.js, err = jetstream.New(c.nc, jetstream.WithDefaultTimeout(callTimeout)); err != nil {
		return engineError(err, "use JetStream")
	}
	if _, err = c.nc.Subscribe(c.inbox.prefix+"*", c.inbox.deliver); err != nil {
		return engineError(err, "open the inbox")
	}
	if err := c.engine(ctx, "open the bucket of bindings; JetStream must be enabled on the server", c.openBucket); err != nil {
		return err
	}
	c.pulse = driver.NewPulse()
	c.tasks.Go(c.keepPulse)
	return c.startWatch(ctx)
}

func (c *conn) disconnected(_ *nats.Conn, err error) {
	if c.ctx.Err() != nil {
		return
	}
	c.log.Warn("bus connection lost", "name", c.config.Name, "error", err)
	c.link.Swap(c.newLink()).cancel()
	c.inbox.failAll(fault.Wrap(err, fault.Unavailable, driver.ReasonLost,
		"the connection to the bus broke while the answer was awaited: the request may have been handled"))
}

func (c *conn) reconnected(*nats.Conn) {
	c.log.Info("bus connection is back", "name", c.config.Name)
	c.watchAgain()
}

func (c *conn) asyncError(_ *nats.Conn, sub *nats.Subscription, err error) {
	subject := ""
	if sub != nil {
		subject = sub.Subject
	}
	c.log.Warn("bus engine reported an error", "name", c.config.Name, "subject", subject, "error", err)
}

// Check implements driver.Bus.
func (c *conn) Check(context.Context) error {
	if c.nc.IsConnected() {
		return nil
	}
	return errDisconnected(c.nc.LastError())
}

// Close implements driver.Bus.
func (c *conn) Close(ctx context.Context) error {
	c.cancel()
	within(ctx, func() {
		for _, consumer := range c.openConsumers() {
			_ = consumer.Close()
		}
	})
	if c.nc.IsConnected() {
		// The server lets go of the watch and the queues now, not after a while.
		ctx, cancel := context.WithTimeout(ctx, closeTimeout)
		defer cancel()
		within(ctx, c.tasks.Wait)
		_ = c.nc.FlushWithContext(ctx)
	}
	c.nc.Close()
	c.lines.close()
	c.inbox.failAll(errClosed())
	within(ctx, c.tasks.Wait)
	return nil
}

// within runs f and reports whether it returned before ctx ended.
func within(ctx context.Context, f func()) bool {
	done := make(chan struct{})
	go func() {
		f()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

func (c *conn) track(consumer driver.Consumer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.consumers[consumer] = struct{}{}
}

func (c *conn) untrack(consumer driver.Consumer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.consumers, consumer)
}

func (c *conn) openConsumers() []driver.Consumer {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]driver.Consumer, 0, len(c.consumers))
	for consumer := range c.consumers {
		all = append(all, consumer)
	}
	return all
}

// awaitConnection returns when the connection is back, within ctx and patience.
func (c *conn) awaitConnection(ctx context.Context, cause error) error {
	if c.nc.IsClosed() || c.ctx.Err() != nil {
		return errClosed()
	}
	back := c.nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer c.nc.RemoveStatusListener(back)
	if c.nc.IsConnected() {
		return errExpired(ctx)
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-back:
		return nil
	case <-c.ctx.Done():
		return errClosed()
	case <-timer.C:
	case <-ctx.Done():
	}
	return errDisconnected(cause)
}

// engine runs op, a call of JetStream that may be repeated, within ctx and
// callTimeout, and again when the connection was lost meanwhile.
func (c *conn) engine(ctx context.Context, what string, op func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for {
		link := c.link.Load()
		err := during(ctx, link.ctx, op)
		if err == nil || ctx.Err() != nil || (link.ctx.Err() == nil && !isDisconnected(err)) {
			return engineError(err, what)
		}
		if err := c.awaitConnection(ctx, err); err != nil {
			return err
		}
	}
}

// during runs op under ctx for as long as the other context lives.
func during(ctx, other context.Context, op func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(other, cancel)()
	return op(ctx)
}

// isDisconnected tells that nothing was sent because there is no connection.
func isDisconnected(err error) bool {
	return errors.Is(err, nats.ErrReconnectBufExceeded) || errors.Is(err, nats.ErrConnectionReconnecting) ||
		errors.Is(err, nats.ErrDisconnected) || errors.Is(err, nats.ErrConnectionClosed)
}

func errExpired(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return errDisconnected(ctx.Err())
}

func errClosed() error {
	return fault.New(fault.Unavailable, driver.ReasonClosed, "the connection to the bus was closed by this side: open another one")
}

func errDisconnected(cause error) error {
	return fault.Wrap(cause, fault.Unavailable, driver.ReasonDisconnected, "there is no connection to the bus; nothing was sent")
}

// engineError codes what nats.go said. A fault stays as it is.
func engineError(err error, what string) error {
	var f *fault.Error
	if err == nil || errors.As(err, &f) {
		return err
	}
	return fault.Wrap(err, fault.Unavailable, driver.ReasonEngine, "the bus could not %s", what)
}
