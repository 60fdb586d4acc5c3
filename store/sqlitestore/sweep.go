package sqlitestore

import (
	"context"
	"time"

	"github.com/hansom-platform/hansom/store/driver"
)

// sweepAll frees the space of expired records until the engine ends.
func (e *engine) sweepAll() {
	tick := time.NewTicker(e.sweep)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := e.sweepOnce(); err != nil && e.life.Err() == nil {
				e.log.Warn("store: expired records keep their space for now", "file", e.path, "error", err)
			}
		case <-e.life.Done():
			return
		}
	}
}

// sweepOnce deletes what has expired by now, in small transactions between which
// others get their turn.
func (e *engine) sweepOnce() error {
	now := e.now().UnixMilli()
	for {
		ctx, cancel := context.WithTimeout(e.life, e.timeout)
		more, err := e.sweepBatch(ctx, now)
		cancel()
		if err != nil || !more {
			return err
		}
	}
}

// sweepBatch deletes some of what expired before now, and reports whether there is
// more. It takes the write lock only if there is something to delete.
func (e *engine) sweepBatch(ctx context.Context, now int64) (more bool, err error) {
	err = e.read(ctx, ctx, func() error {
		return e.overdue.QueryRowContext(ctx, now).Scan(&more)
	})
	if err != nil || !more {
		return false, err
	}
	_, err = e.submit(ctx, ctx, newRequest(0, func(t *transaction) ([]driver.Record, error) {
		_, err := t.expire.ExecContext(context.Background(), now, expireBatch)
		return nil, err
	}))
	return true, err
}
