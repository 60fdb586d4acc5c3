package coord

import (
	"context"
	"errors"
	"time"

	"github.com/hansom-platform/hansom/fault"
)

// Lead campaigns for the leadership of that name as id and calls fn each time it
// is elected, with a context that ends when leadership is lost and a
// fencing token greater than that of every earlier leader. When fn returns, for
// whatever reason, leadership is given up and Lead campaigns again, after a growing
// pause if fn failed. It goes on through the engine's absence and returns nil when
// ctx ends, or BadRequest at once for a bad name.
//
// fn must return soon after its context ends: Lead waits for it, so that one
// process never runs it twice at a time. Another process may already lead by
// then; only the token keeps the two apart.
func (c *Coord) Lead(ctx context.Context, name, id string, fn func(ctx context.Context, token uint64) error) error {
	if err := checkName("leadership", name); err != nil {
		return err
	}
	pause := shortestPause
	for ctx.Err() == nil {
		began := time.Now()
		err := c.term(ctx, name, id, fn)
		if err == nil || time.Since(began) > c.leadTTL {
			pause = shortestPause
		}
		if err != nil && ctx.Err() == nil {
			c.log.WarnContext(ctx, "leadership term failed; campaigning again",
				"leadership", name, "id", id, "pause", pause, "error", err)
		}
		sleep(ctx, pause)
		pause = min(2*pause, c.leadTTL)
	}
	return nil
}

// shortestPause is the pause between two terms, so that a function that returns
// at once does not keep the engine busy.
const shortestPause = 50 * time.Millisecond

// term is one campaign and, if it was won, one call of fn.
func (c *Coord) term(ctx context.Context, name, id string, fn func(context.Context, uint64) error) error {
	s, err := c.NewSession(ctx, c.leadTTL)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.leadTTL)
		defer cancel()
		_ = s.Close(ctx) // the engine closes it at the end of its ttl otherwise
	}()
	lock, err := s.acquire(ctx, contest{root: leadersRoot + "/" + name, data: []byte(id)})
	if err != nil {
		return err
	}
	return lead(ctx, lock, fn)
}

// lead calls fn under a held lock and returns its error unless leadership was
// lost under way.
func lead(ctx context.Context, lock *Lock, fn func(context.Context, uint64) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-lock.Done():
			cancel(ErrLeadershipLost)
		case <-ctx.Done():
		}
	}()
	err := fn(ctx, lock.Token())
	lost := errors.Is(context.Cause(ctx), ErrLeadershipLost)
	cancel(nil)
	<-watched
	lock.release()
	<-lock.done
	if lost {
		return nil
	}
	return err
}

// ErrLeadershipLost is the cause (context.Cause) of the end of the context that Lead
// gave to its function when leadership was lost.
var ErrLeadershipLost = fault.New(fault.Conflict, "coord.leadership", "leadership was lost")

// Leader tells who leads: the id it campaigned with and its fencing token, or NotFound if nobody does.
func (c *Coord) Leader(ctx context.Context, name string) (id string, token uint64, err error) {
	if err := checkName("leadership", name); err != nil {
		return "", 0, err
	}
	n, err := c.first(ctx, leadersRoot+"/"+name)
	if err != nil {
		return "", 0, err
	}
	return string(n.Data), n.Revision, nil
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
