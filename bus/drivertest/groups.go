package drivertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hansom-platform/hansom/bus"
)

func (w *world) wantOnce(got []string, n int) {
	w.Helper()
	seen := map[string]int{}
	for _, body := range got {
		seen[body]++
	}
	for i := range n {
		if seen[fmt.Sprint(i)] != 1 {
			w.Fatalf("event %d was handled %d times; want once", i, seen[fmt.Sprint(i)])
		}
	}
}

func testOneMember(w *world) {
	const events = 100
	publisher := w.open("a")
	s := bus.Subscription{Topic: w.name("topic"), Group: w.name("group")}
	journals := make([]journal, 3)
	for i := range journals {
		w.subscribe(w.open("a"), s, journals[i].note)
	}
	for i := range events {
		w.publish(publisher, s.Topic, fmt.Sprint(i))
	}
	all := func() []string { return slices.Concat(journals[0].all(), journals[1].all(), journals[2].all()) }
	w.await("every event is handled", func() bool { return len(all()) >= events })
	w.wantOnce(all(), events)
}

func testEachGroup(w *world) {
	b := w.open("a")
	topic := w.name("topic")
	var one, two, ephemeral journal
	w.subscribe(b, bus.Subscription{Topic: topic, Group: w.name("one")}, one.note)
	w.subscribe(b, bus.Subscription{Topic: topic, Group: w.name("two")}, two.note)
	w.subscribe(b, bus.Subscription{Topic: topic}, ephemeral.note)
	for i := range 20 {
		w.publish(b, topic, fmt.Sprint(i))
	}
	for _, j := range []*journal{&one, &two, &ephemeral} {
		w.await("every event is handled", func() bool { return len(j.all()) >= 20 })
		w.wantOnce(j.all(), 20)
	}
}

func testWhileNobodyRuns(w *world) {
	publisher := w.open("a")
	s := bus.Subscription{Topic: w.name("topic"), Group: w.name("group")}
	w.publish(publisher, s.Topic, "before the group's time")
	first := w.open("a")
	w.subscribe(first, s, ignore)
	w.close(first)
	for i := range 10 {
		w.publish(publisher, s.Topic, fmt.Sprint(i))
	}
	var later journal
	w.subscribe(w.open("a"), s, later.note)
	w.await("every event is handled", func() bool { return len(later.all()) >= 10 })
	w.wantOnce(later.all(), 10)
	if slices.Contains(later.all(), "before the group's time") {
		w.Fatal("the group got an event from before its first subscription")
	}
}

func testRedelivery(w *world) {
	b := w.open("a")
	s := bus.Subscription{Topic: w.name("topic"), Group: w.name("group"), RetryDelay: 20 * time.Millisecond}
	type attempt struct {
		number int
		at     time.Time
		from   string
	}
	attempts := make(chan attempt, 10)
	w.subscribe(b, s, func(_ context.Context, e *bus.Event) error {
		attempts <- attempt{e.Attempt, time.Now(), e.Message.Header.Get(bus.HeaderFrom)}
		if e.Attempt < 4 {
			return errors.New("not yet")
		}
		return nil
	})
	w.publish(b, s.Topic, "x")
	var before attempt
	for i := 1; i <= 4; i++ {
		a := receive(w, "the event is delivered again", attempts)
		if a.number != i || a.from != "drivertest" {
			w.Fatalf("delivery %d says it is number %d, from %q", i, a.number, a.from)
		}
		if least := 20 * time.Millisecond << max(i-2, 0); i > 1 && a.at.Sub(before.at) < least*9/10 {
			w.Fatalf("delivery %d came %v after the one before; want at least %v", i, a.at.Sub(before.at), least)
		}
		before = a
	}
	select {
	case a := <-attempts:
		w.Fatalf("an acknowledged event was delivered again, as number %d", a.number)
	case <-time.After(300 * time.Millisecond):
	}
}

// testAckWait has a handler overstay: its context ends and another delivery follows.
func testAckWait(w *world) {
	b := w.open("a")
	s := bus.Subscription{Topic: w.name("topic"), Group: w.name("group"), AckWait: time.Second, RetryDelay: time.Millisecond}
	done := make(chan int, 1)
	w.subscribe(b, s, func(ctx context.Context, e *bus.Event) error {
		if e.Attempt == 1 {
			<-ctx.Done()
			return ctx.Err()
		}
		done <- e.Attempt
		return nil
	})
	w.publish(b, s.Topic, "x")
	if n := receive(w, "the event is delivered again", done); n != 2 {
		w.Fatalf("handled on delivery %d; want 2", n)
	}
}

func testGroupConcurrency(w *world) {
	b := w.open("a")
	s := bus.Subscription{Topic: w.name("topic"), Group: w.name("group"), Concurrency: 4}
	var now, most atomic.Int64
	var done journal
	w.subscribe(b, s, func(ctx context.Context, e *bus.Event) error {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		pause(ctx, 20*time.Millisecond)
		now.Add(-1)
		return done.note(ctx, e)
	})
	for i := range 40 {
		w.publish(b, s.Topic, fmt.Sprint(i))
	}
	w.await("every event is handled", func() bool { return len(done.all()) >= 40 })
	w.wantOnce(done.all(), 40)
	if most.Load() != 4 {
		w.Fatalf("%d handlers ran at once; want 4", most.Load())
	}
}

func testDeadLetter(w *world) {
	b := w.open("a")
	group := w.name("group")
	s := bus.Subscription{Topic: w.name("topic"), Group: group, MaxDeliver: 3, RetryDelay: time.Millisecond}
	var healthy journal
	var deliveries atomic.Int64
	w.subscribe(b, s, func(ctx context.Context, e *bus.Event) error {
		if string(e.Message.Body) == "poison" {
			return fmt.Errorf("bad egg, attempt %d\nsecond line", deliveries.Add(1))
		}
		return healthy.note(ctx, e)
	})
	start := time.Now().Add(-time.Second)
	w.publish(b, s.Topic, "poison")
	w.publish(b, s.Topic, "fine")
	letters := w.awaitLetters(b, group, 1)
	d := letters[0]
	if d.Group != group || d.Topic != s.Topic || d.Attempts != 3 || d.Reason != "bad egg, attempt 3\nsecond line" {
		w.Fatalf("dead letter: %+v; want group %s, topic %s, 3 attempts, the last handler error as the reason", d, group, s.Topic)
	}
	if d.ID == "" || d.At.Before(start) || d.At.After(time.Now().Add(time.Second)) {
		w.Fatalf("dead letter has id %q and time %v; want an id and the time of now", d.ID, d.At)
	}
	if string(d.Message.Body) != "poison" || len(d.Message.Header) != 2 || d.Message.Header.Get(bus.HeaderFrom) != "drivertest" {
		w.Fatalf("dead letter holds %v %q; want the event as it was published", d.Message.Header, d.Message.Body)
	}
	w.await("the healthy event is handled", func() bool { return len(healthy.all()) == 1 })
	w.publish(b, s.Topic, "poison")
	letters = w.awaitLetters(b, group, 2)
	if letters[0].ID != d.ID || letters[1].ID == d.ID {
		w.Fatalf("ids are %s, %s; want the oldest first and each its own", letters[0].ID, letters[1].ID)
	}
	if limited, err := b.DeadLetters(w.ctx, group, 1); err != nil || len(limited) != 1 {
		w.Fatalf("with limit 1: %d letters, %v", len(limited), err)
	}
	if other, err := b.DeadLetters(w.ctx, w.name("other"), 10); err != nil || len(other) != 0 {
		w.Fatalf("of another group: %d letters, %v; want none", len(other), err)
	}
}

func (w *world) awaitLetters(b *bus.Bus, group string, n int) []bus.DeadLetter {
	w.Helper()
	var letters []bus.DeadLetter
	w.await(fmt.Sprintf("%d dead letters of %s", n, group), func() bool {
		var err error
		if letters, err = b.DeadLetters(w.ctx, group, 10); err != nil {
			w.Fatalf("list dead letters: %v", err)
		}
		return len(letters) >= n
	})
	return letters
}

// testDeadLetterOfCrashes has members die with the event in their hands, so that
// nobody ever returns an error.
func testDeadLetterOfCrashes(w *world) {
	publisher := w.open("a")
	s := bus.Subscription{Topic: w.name("topic"), Group: w.name("group"), MaxDeliver: 2, AckWait: time.Second, RetryDelay: time.Millisecond}
	release := make(chan struct{})
	defer close(release)
	for range s.MaxDeliver {
		victim, raw := w.openDriver("a")
		taken := make(chan struct{}, 1)
		w.subscribe(victim, s, func(context.Context, *bus.Event) error {
			taken <- struct{}{}
			<-release
			return nil
		})
		w.publishOnce(publisher, s.Topic, "crash")
		receive(w, "the member has the event", taken)
		w.harness.Abandon(raw)
	}
	w.subscribe(w.open("a"), s, func(context.Context, *bus.Event) error {
		w.Error("the event was handled again after MaxDeliver deliveries")
		return nil
	})
	if d := w.awaitLetters(publisher, s.Group, 1)[0]; d.Attempts != 2 || d.Reason == "" {
		w.Fatalf("dead letter: %+v; want 2 attempts and a reason", d)
	}
}

// publishOnce publishes body unless this test already did.
func (w *world) publishOnce(b *bus.Bus, topic, body string) {
	w.mu.Lock()
	w.marks++
	first := w.marks == 1
	w.mu.Unlock()
	if first {
		w.publish(b, topic, body)
	}
}

func testMemberKilled(w *world) {
	publisher := w.open("a")
	victim, raw := w.openDriver("a")
	s := bus.Subscription{Topic: w.name("topic"), Group: w.name("group"), AckWait: time.Second}
	taken, release := make(chan struct{}, 1), make(chan struct{})
	defer close(release)
	w.subscribe(victim, s, func(context.Context, *bus.Event) error {
		taken <- struct{}{}
		<-release
		return nil
	})
	w.publish(publisher, s.Topic, "0")
	receive(w, "the first member has the event", taken)
	w.harness.Abandon(raw)
	var heir journal
	w.subscribe(w.open("a"), s, heir.note)
	for i := 1; i < 5; i++ {
		w.publish(publisher, s.Topic, fmt.Sprint(i))
	}
	w.await("the other member handles every event", func() bool { return len(heir.all()) >= 5 })
	w.wantOnce(heir.all(), 5)
}

// testGroupDrain drains a member under load: what it has taken is finished, the
// rest goes to the other.
func testGroupDrain(w *world) {
	publisher := w.open("a")
	s := bus.Subscription{Topic: w.name("topic"), Group: w.name("group"), Concurrency: 2}
	var all journal
	slow := func(ctx context.Context, e *bus.Event) error {
		pause(context.Background(), 2*time.Millisecond)
		if ctx.Err() != nil {
			w.Error("a drained member's handler was cancelled")
		}
		return all.note(ctx, e)
	}
	leaver := w.subscribe(w.open("a"), s, slow)
	w.subscribe(w.open("a"), s, slow)
	for i := range 100 {
		w.publish(publisher, s.Topic, fmt.Sprint(i))
		if i == 50 {
			w.drainWithin(leaver, 5*time.Second)
		}
	}
	w.await("every event is handled", func() bool { return len(all.all()) >= 100 })
	w.wantOnce(all.all(), 100)
	if letters, err := publisher.DeadLetters(w.ctx, s.Group, 1); err != nil || len(letters) != 0 {
		w.Fatalf("dead letters after a drain: %v, %v; want none", letters, err)
	}
}
