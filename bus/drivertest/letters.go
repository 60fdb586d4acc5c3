package drivertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// testDeadLetterReplay has a group give up an event, mends the group and gives the event
// back. Another group of the topic is not to see it again.
func testDeadLetterReplay(w *world) {
	b := w.open("a")
	s := bus.Subscription{Topic: w.name("topic"), Group: w.name("group"), MaxDeliver: 2, RetryDelay: time.Millisecond}
	var mended atomic.Bool
	handled := make(chan *bus.Event, 10)
	w.subscribe(b, s, func(_ context.Context, e *bus.Event) error {
		if !mended.Load() {
			return errors.New("not yet")
		}
		handled <- e
		return nil
	})
	var other journal
	w.subscribe(b, bus.Subscription{Topic: s.Topic, Group: w.name("other")}, other.note)
	w.publish(b, s.Topic, "again")
	d := w.awaitLetters(b, s.Group, 1)[0]
	w.wantDeadGroup(b, s.Group, 1)
	mended.Store(true)
	if err := b.ReplayLetter(w.ctx, s.Group, d.ID); err != nil {
		w.Fatalf("replay letter %s: %v", d.ID, err)
	}
	e := receive(w, "the replayed event is handled", handled)
	if string(e.Message.Body) != "again" || e.Attempt != 1 || e.Topic != s.Topic || e.Message.Header.Get(bus.HeaderFrom) != "drivertest" {
		w.Fatalf("replayed: %q of %s, attempt %d, %v; want it as it was published, on attempt 1", e.Message.Body, e.Topic, e.Attempt, e.Message.Header)
	}
	w.wantDeadGroup(b, s.Group, 0)
	w.wantFault(b.ReplayLetter(w.ctx, s.Group, d.ID), fault.NotFound, driver.ReasonNoLetter)
	w.publish(b, s.Topic, "after") // both groups have what came before this
	receive(w, "the next event is handled", handled)
	w.await("the other group has the next event", func() bool { return slices.Contains(other.all(), "after") })
	wantList(w, "other group", other.all(), "again", "after")
}

func testDeadLetterDrop(w *world) {
	b := w.open("a")
	s := bus.Subscription{Topic: w.name("topic"), Group: w.name("group"), MaxDeliver: 1}
	w.subscribe(b, s, func(context.Context, *bus.Event) error { return errors.New("never") })
	for i := range 3 {
		w.publish(b, s.Topic, fmt.Sprint(i))
		w.awaitLetters(b, s.Group, i+1)
	}
	letters := w.awaitLetters(b, s.Group, 3)
	if err := b.DropLetter(w.ctx, s.Group, letters[1].ID); err != nil {
		w.Fatalf("drop letter %s: %v", letters[1].ID, err)
	}
	left, err := b.DeadLetters(w.ctx, s.Group, 10)
	if err != nil || len(left) != 2 || left[0].ID != letters[0].ID || left[1].ID != letters[2].ID {
		w.Fatalf("after the second of three was dropped: %v, %v; want the first and the third", left, err)
	}
	w.wantDeadGroup(b, s.Group, 2)
	w.wantFault(b.DropLetter(w.ctx, s.Group, letters[1].ID), fault.NotFound, driver.ReasonNoLetter)
	w.wantFault(b.DropLetter(w.ctx, w.name("other"), letters[0].ID), fault.NotFound, driver.ReasonNoLetter)
	w.wantFault(b.DropLetter(w.ctx, s.Group, "no such id"), fault.NotFound, driver.ReasonNoLetter)
}

// wantDeadGroup waits until group is listed with so many dead letters, 0: not at all.
func (w *world) wantDeadGroup(b *bus.Bus, group string, letters int) {
	w.Helper()
	w.await(fmt.Sprintf("%s is listed with %d dead letters", group, letters), func() bool {
		all, err := b.DeadGroups(w.ctx)
		if err != nil {
			w.Fatalf("list the groups with dead letters: %v", err)
		}
		i := slices.IndexFunc(all, func(g bus.DeadGroup) bool { return g.Group == group })
		return i < 0 && letters == 0 || i >= 0 && all[i].Letters == letters
	})
}
