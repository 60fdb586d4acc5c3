package rabbitbus

import (
	"context"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// feedAgain is how long a feed waits before it consumes again what the broker cancelled.
const feedAgain = 200 * time.Millisecond

// feedTag names the one consumer of a feed's channel.
const feedTag = "h2"

// A feed consumes one queue, on a channel of its own, on every session until it is halted.
type feed struct {
	conn *conn
	what string
	// open prepares the queue and consumes it under feedTag.
	open func(ctx context.Context, ch *amqp.Channel) (<-chan amqp.Delivery, error)
	// consume takes the deliveries until there are no more; ctx ends when what is unacknowledged
	// is not this consumer's any more.
	consume func(ctx context.Context, deliveries <-chan amqp.Delivery)

	again   chan struct{}
	stop    func()
	running sync.WaitGroup

	mu     sync.Mutex
	live   *amqp.Channel
	halted bool
}

// begin returns when the queue is consumed.
func (f *feed) begin(ctx context.Context) (err error) {
	f.again = make(chan struct{}, 1)
	f.stop, err = f.conn.keep(ctx, f.what, f.again, f.start)
	return err
}

func (f *feed) start(ctx context.Context, s *session) error {
	ch, err := s.channel(ctx)
	if err != nil {
		return err
	}
	var deliveries <-chan amqp.Delivery
	opening, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err = perform(opening, ch, func() (err error) {
		deliveries, err = f.open(opening, ch)
		return err
	})
	if err != nil {
		return engineError(err, f.what)
	}
	f.run(ctx, ch, deliveries)
	return nil
}

// run hands the deliveries over in the background, unless the feed was halted meanwhile.
func (f *feed) run(ctx context.Context, ch *amqp.Channel, deliveries <-chan amqp.Delivery) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.halted {
		release(ch)
		return
	}
	f.live = ch
	f.running.Go(func() {
		defer context.AfterFunc(ctx, func() { release(ch) })()
		f.consume(ctx, deliveries)
		f.revive(ctx, ch)
	})
}

// revive begins anew where neither this side nor a lost connection ended the deliveries.
func (f *feed) revive(ctx context.Context, ch *amqp.Channel) {
	f.mu.Lock()
	over := f.halted || ctx.Err() != nil
	if !over {
		f.live = nil // halt does not use it any more
	}
	f.mu.Unlock()
	if over {
		return
	}
	release(ch)
	f.conn.log.Warn("bus: the broker ended a consumer, which begins anew", "what", f.what)
	if pause(ctx, feedAgain) {
		select {
		case f.again <- struct{}{}:
		default:
		}
	}
}

// halt takes no more deliveries and returns when consume is done with those that came, and what
// it left unacknowledged is back in the queue; or with ctx's error, when it may be called again.
func (f *feed) halt(ctx context.Context) error {
	f.mu.Lock()
	first, ch := !f.halted, f.live
	f.halted = true
	f.mu.Unlock()
	if first && ch != nil {
		f.bounded(ch, func() error { return ch.Cancel(feedTag, false) })
	}
	if err := await(ctx, func() error { f.running.Wait(); return nil }); err != nil {
		return err
	}
	if ch != nil {
		f.bounded(ch, ch.Close)
	}
	f.stop()
	return nil
}

// bounded gives the channel up where the broker does not answer for closeTimeout.
func (f *feed) bounded(ch *amqp.Channel, op func() error) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if !ch.IsClosed() {
		_ = perform(ctx, ch, op)
	}
}
