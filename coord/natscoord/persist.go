package natscoord

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// attemptTimeout bounds one attempt of a read. A cluster that elects a leader
	// drops requests without an answer.
	attemptTimeout = time.Second
	attemptPause   = 50 * time.Millisecond
)

// persist repeats a request that changes nothing, or nothing that matters twice,
// until it is answered or ctx ends.
func persist[T any](ctx context.Context, request func(context.Context) (T, error)) (T, error) {
	for {
		attempt, cancel := context.WithTimeout(ctx, attemptTimeout)
		v, err := request(attempt)
		cancel()
		if err == nil || ctx.Err() != nil || !transient(err) {
			return v, err
		}
		if !sleep(ctx, attemptPause) {
			return v, err
		}
	}
}

// transient reports whether a request that failed with err may succeed when it
// is repeated on the same connection.
func transient(err error) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.Code == 503 && api.ErrorCode != jetstream.JSErrCodeJetStreamNotEnabled
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) ||
		errors.Is(err, jetstream.ErrNoHeartbeat) || errors.Is(err, errGap)
}
