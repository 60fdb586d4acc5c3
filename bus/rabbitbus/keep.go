package rabbitbus

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// lockPatience is how long a new consumer waits for a queue that another connection holds:
// the broker may not have noticed yet that it is gone.
const lockPatience = 5 * time.Second

// A starter opens something on session s: a queue, a consumer. It returns when that is ready; what
// it leaves running ends, and is closed by it, when ctx does: with the session or the keeping.
type starter func(ctx context.Context, s *session) error

// keep runs start on the present session and again on every later one, until c or the returned stop ends
// it, and anew on the same session when again receives: the broker cancelled a consumer. It returns when start
// did, or with the error of its first run.
func (c *conn) keep(ctx context.Context, what string, again <-chan struct{}, start starter) (stop func(), err error) {
	k := &kept{conn: c, what: what, again: again, start: start, first: make(chan error, 1)}
	var cancel context.CancelFunc
	k.ctx, cancel = context.WithCancel(c.ctx)
	first := k.first // run forgets it after the first time
	c.tasks.Go(k.run)
	select {
	case err = <-first:
	case <-ctx.Done():
		err = k.late(ctx.Err())
	}
	if err != nil {
		cancel()
		return nil, err
	}
	return cancel, nil
}

// late says why the first run did not succeed in time.
func (k *kept) late(ended error) error {
	if last := k.last.Load(); last != nil {
		return fault.Wrap(errors.Join(ended, *last), fault.CodeOf(*last), fault.ReasonOf(*last), "%s, tried until the time was over", fault.From(*last).Message)
	}
	if s := k.conn.connection.live.Load(); s.ctx.Err() != nil {
		return errDisconnected(ended)
	}
	return fault.Wrap(ended, fault.Unavailable, driver.ReasonEngine, "the broker did not answer in time: %s", k.what)
}

type kept struct {
	conn  *conn
	what  string
	again <-chan struct{}
	start starter
	ctx   context.Context
	first chan error            // the outcome of the first run; then nil
	last  atomic.Pointer[error] // why the first run is tried again
}

func (k *kept) run() {
	begun := time.Now()
	for attempt := 0; k.ctx.Err() == nil; attempt++ {
		err := k.once()
		switch {
		case err == nil:
			attempt = -1
			continue
		case k.ctx.Err() != nil: // an end that was asked for is no failure
		case k.first == nil:
			k.conn.log.Warn("bus: "+k.what+" failed and is tried again", "name", k.conn.config.Name, "error", err)
		case !isLost(err) && (!isLocked(err) || time.Since(begun) > lockPatience):
			k.first <- err
			return
		default:
			k.last.Store(&err)
		}
		pause(k.ctx, backoff(attempt))
	}
	if k.first != nil {
		k.first <- errClosed()
	}
}

// once runs start and waits until what it began must be begun anew.
func (k *kept) once() error {
	s, err := k.await()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(k.ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	if err := k.start(ctx, s); err != nil {
		if k.first == nil && s.ctx.Err() != nil {
			return nil // the session ended, as it may: the next one is awaited
		}
		return err
	}
	if k.first != nil {
		k.first <- nil
		k.first = nil
	}
	select {
	case <-k.again:
	case <-ctx.Done():
	}
	return nil
}

// await returns the live session: the first run fails where there is none, later ones wait.
func (k *kept) await() (*session, error) {
	if k.first != nil {
		return k.conn.session(k.ctx)
	}
	return k.conn.awaitSession(k.ctx)
}

// isLost tells that the connection broke and another may serve.
func isLost(err error) bool { return errors.Is(err, errSessionLost) }
