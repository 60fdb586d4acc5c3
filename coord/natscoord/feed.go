package natscoord

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansom-platform/hansom/fault"
)

const (
	// heartbeat is how often an idle consumer gives a sign of life; twice that without
	// one means that it is gone, as when a cluster's member died.
	heartbeat = 2 * time.Second
	// recheck is how long a feed waits for the rest of the present state before it asks the
	// server whether there is any: what was still to come may have expired.
	recheck = 200 * time.Millisecond
	// maxSilent is how often it does so before it gives the consumer up: in a
	// cluster, the request for messages may have been lost.
	maxSilent = 4
)

// errGap is the end of a feed that missed a message.
var errGap = fault.New(fault.Unavailable, "coord.nats.gap", "messages were lost on the way")

// feed reads the last message of every subject and then whatever is written.
type feed struct {
	coord    *Coord
	consumer jetstream.Consumer
	messages jetstream.MessagesContext
	read     uint64 // consumer sequence of the last message read
	seen     uint64 // its sequence in the stream
	pending  uint64 // how many were to follow as of then
	silent   int    // how often in a row the present state was waited for in vain
}

func (c *Coord) openFeed(ctx context.Context, filters []string) (*feed, error) {
	consumer, err := persist(ctx, func(ctx context.Context) (jetstream.Consumer, error) {
		return c.stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
			DeliverPolicy:     jetstream.DeliverLastPerSubjectPolicy,
			AckPolicy:         jetstream.AckNonePolicy,
			FilterSubjects:    filters,
			InactiveThreshold: consumerIdle,
			MemoryStorage:     true,
			Replicas:          1,
		})
	})
	if err != nil {
		return nil, err
	}
	messages, err := consumer.Messages(jetstream.PullHeartbeat(heartbeat))
	if err != nil {
		return nil, err
	}
	return &feed{coord: c, consumer: consumer, messages: messages, pending: consumer.CachedInfo().NumPending}, nil
}

// close frees the consumer on the server if it can be reached now; otherwise the
// server does it by itself after consumerIdle.
func (f *feed) close() {
	f.messages.Stop()
	if !f.coord.nc.IsConnected() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	ctx, release, err := f.coord.link.bind(ctx)
	if err != nil {
		return
	}
	defer release()
	_ = f.coord.stream.DeleteConsumer(ctx, f.consumer.CachedInfo().Name)
}

// next reads one message.
func (f *feed) next(ctx context.Context) (subject string, r record, err error) {
	m, err := f.messages.Next(jetstream.NextContext(ctx))
	if err != nil {
		return "", record{}, err
	}
	meta, err := m.Metadata()
	if err != nil {
		return "", record{}, err
	}
	if meta.Sequence.Consumer != f.read+1 {
		return "", record{}, errGap
	}
	f.read, f.seen, f.pending = meta.Sequence.Consumer, meta.Sequence.Stream, meta.NumPending
	return m.Subject(), newRecord(meta.Sequence.Stream, m.Headers(), m.Data()), nil
}

// fill reads into t until it holds the present state, which includes the
// sequence until.
func (f *feed) fill(ctx context.Context, t *tree, until uint64) error {
	for {
		for f.pending > 0 || f.seen < until {
			if err := f.fillOne(ctx, t); err != nil {
				return err
			}
		}
		// A node without its session makes the count doubtful: a renewal may have
		// moved the session's message past the end that was counted to.
		if len(t.orphans()) == 0 {
			return nil
		}
		if err := f.recount(ctx); err != nil || f.pending == 0 {
			return err
		}
	}
}

func (f *feed) fillOne(ctx context.Context, t *tree) error {
	wait, cancel := context.WithTimeout(ctx, recheck)
	defer cancel()
	subject, r, err := f.next(wait)
	switch {
	case err == nil:
		f.silent = 0
		t.apply(f.coord.names, subject, r)
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case !errors.Is(err, context.DeadlineExceeded):
		return err
	}
	if f.silent++; f.silent > maxSilent {
		return errGap
	}
	return f.recount(ctx)
}

// recount asks the server how many messages are to follow.
func (f *feed) recount(ctx context.Context) error {
	info, err := persist(ctx, f.consumer.Info)
	if err != nil {
		return err
	}
	f.pending = info.NumPending + info.Delivered.Consumer - f.read
	return nil
}
