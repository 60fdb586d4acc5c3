package cli_test

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hansom-platform/hansom/app/dial"
	"github.com/hansom-platform/hansom/bus"
)

// giveUp publishes events to the topic of a group's name, and has the group give them up:
//
//	giveup group body...
func giveUp(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: giveup group body...")
	}
	join(ts, args[0], func(*bus.Event) error { return errors.New("bad egg") }, func(ctx context.Context, b *bus.Bus) bool {
		for _, body := range args[1:] {
			ts.Check(b.Publish(ctx, args[0], &bus.Message{Body: []byte(body)}))
		}
		return awaitUntil(ctx, func() bool {
			letters, err := b.DeadLetters(ctx, args[0], 100)
			ts.Check(err)
			return len(letters) == len(args)-1
		})
	})
}

// takeUp joins a group and waits until it has handled so many events:
//
//	takeup group number
func takeUp(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: takeup group number")
	}
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	handled := make(chan struct{}, want+1)
	join(ts, args[0], func(*bus.Event) error { handled <- struct{}{}; return nil }, func(ctx context.Context, _ *bus.Bus) bool {
		return awaitUntil(ctx, func() bool { return len(handled) == want })
	})
}

// join runs a member of the group while do runs, which returns whether what it waited for came.
func join(ts *testscript.TestScript, group string, handle func(*bus.Event) error, do func(context.Context, *bus.Bus) bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	b, err := dial.Bus(ctx, ts.Getenv("BUS"), bus.Zone{Region: "local", Zone: "a"})
	ts.Check(err)
	defer b.Close(context.Background())
	s, err := b.Subscribe(ctx, bus.Subscription{Topic: group, Group: group, MaxDeliver: 1}, func(_ context.Context, e *bus.Event) error {
		return handle(e)
	})
	ts.Check(err)
	if !do(ctx, b) {
		ts.Fatalf("group %s: what it was to handle did not come within 20 s", group)
	}
	ts.Check(s.Drain(ctx))
	ts.Check(s.Close())
}

func awaitUntil(ctx context.Context, done func() bool) bool {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}
