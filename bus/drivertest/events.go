package drivertest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

func ignore(context.Context, *bus.Event) error { return nil }

// journal notes the bodies of the events that it gets.
type journal struct {
	mu     sync.Mutex
	bodies []string
}

func (j *journal) note(_ context.Context, e *bus.Event) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.bodies = append(j.bodies, string(e.Message.Body))
	return nil
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string(nil), j.bodies...)
}

func (w *world) subscribe(b *bus.Bus, s bus.Subscription, h bus.EventHandler) *bus.Subscriber {
	w.Helper()
	sub, err := b.Subscribe(w.ctx, s, h)
	if err != nil {
		w.Fatalf("subscribe to %s as group %q: %v", s.Topic, s.Group, err)
	}
	w.Cleanup(func() { _ = sub.Close() })
	return sub
}

func (w *world) publish(b *bus.Bus, topic, body string) {
	w.Helper()
	m := &bus.Message{Header: bus.Header{{Key: bus.HeaderFrom, Value: "drivertest"}}, Body: []byte(body)}
	if err := b.Publish(w.ctx, topic, m); err != nil {
		w.Fatalf("publish %q to %s: %v", body, topic, err)
	}
}

func testEveryInstance(w *world) {
	const events = 200
	publisher := w.open("a")
	topic := w.name("up")
	journals := make([]journal, 5)
	for i := range journals {
		w.subscribe(w.open([]string{"a", "b"}[i%2]), bus.Subscription{Topic: topic}, journals[i].note)
	}
	for i := range events {
		w.publish(publisher, topic, fmt.Sprint(i))
	}
	for i := range journals {
		w.await("every event arrives", func() bool { return len(journals[i].all()) >= events })
		for n, body := range journals[i].all() {
			if body != fmt.Sprint(n) {
				w.Fatalf("subscriber %d: event %d is %q; want %q", i, n, body, fmt.Sprint(n))
			}
		}
	}
}

func testWildcards(w *world) {
	b := w.open("a")
	base := w.name("topic")
	var exact, one, below journal
	w.subscribe(b, bus.Subscription{Topic: base + ".x"}, exact.note)
	w.subscribe(b, bus.Subscription{Topic: base + ".*"}, one.note)
	w.subscribe(b, bus.Subscription{Topic: base + ".>"}, below.note)
	grouped := make(chan string, 10)
	w.subscribe(b, bus.Subscription{Topic: base + ".>", Group: w.name("group")}, func(_ context.Context, e *bus.Event) error {
		grouped <- e.Topic
		return nil
	})
	for _, topic := range []string{base, base + ".x", base + ".y", base + ".x.deep"} {
		w.publish(b, topic, topic)
	}
	w.await("the events arrive", func() bool { return len(below.all()) >= 3 && len(one.all()) >= 2 && len(exact.all()) >= 1 })
	wantList(w, "exact topic", exact.all(), base+".x")
	wantList(w, "last word *", one.all(), base+".x", base+".y")
	wantList(w, "last word >", below.all(), base+".x", base+".y", base+".x.deep")
	for range 3 {
		receive(w, "the group has the events", grouped)
	}
}

func wantList(w *world, what string, got []string, want ...string) {
	w.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		w.Fatalf("%s: got %q; want %q", what, got, want)
	}
}

func testBadTopics(w *world) {
	b := w.open("a")
	longest := strings.Repeat("a", driver.MaxName)
	var got journal
	w.subscribe(b, bus.Subscription{Topic: longest}, got.note)
	w.publish(b, longest, "x")
	w.await("an event of the longest topic arrives", func() bool { return len(got.all()) == 1 })
	for _, topic := range []string{"", ".", "a.", ".a", "a..b", "a b", "a.*", "a.>", "a.\n", strings.Repeat("a", driver.MaxName+1)} {
		w.wantFault(b.Publish(w.ctx, topic, &bus.Message{}), fault.BadRequest, "bus.bad_topic")
	}
	for _, topic := range []string{"", "*", ">", "a.*.b", "*.a", "a.>.b"} {
		_, err := b.Subscribe(w.ctx, bus.Subscription{Topic: topic}, ignore)
		w.wantFault(err, fault.BadRequest, "bus.bad_topic")
	}
}

// testSlowSubscriber floods a subscriber that does not move. It loses events,
// counted; another connection gets every one.
func testSlowSubscriber(w *world) {
	publisher, fast, slow := w.open("a"), w.open("a"), w.open("a")
	topic := w.name("flood")
	var got atomic.Int64
	w.subscribe(fast, bus.Subscription{Topic: topic}, func(context.Context, *bus.Event) error {
		got.Add(1)
		return nil
	})
	release := make(chan struct{})
	stuck := w.subscribe(slow, bus.Subscription{Topic: topic}, func(context.Context, *bus.Event) error {
		<-release
		return nil
	})
	defer close(release)
	body := make([]byte, 64<<10)
	sent := 0
	for ; sent < w.limits.Flood && stuck.Dropped() == 0; sent++ {
		if err := publisher.Publish(w.ctx, topic, &bus.Message{Body: body}); err != nil {
			w.Fatalf("publish beside a slow subscriber: %v", err)
		}
	}
	w.await("the slow subscriber counts lost events", func() bool { return stuck.Dropped() > 0 })
	w.await("the fast subscriber has every event", func() bool { return got.Load() == int64(sent) })
	w.serve(slow, w.name("svc-1"), echo)
	if _, err := publisher.RequestTo(w.ctx, w.name("svc-1"), request("any")); err != nil {
		w.Fatalf("a request to the connection of the slow subscriber: %v", err)
	}
}

func testClosedSubscription(w *world) {
	b := w.open("a")
	topic := w.name("topic")
	var closed, open journal
	s := w.subscribe(b, bus.Subscription{Topic: topic}, closed.note)
	w.subscribe(b, bus.Subscription{Topic: topic}, open.note)
	w.publish(b, topic, "1")
	w.await("the first event arrives", func() bool { return len(closed.all()) == 1 })
	for range 2 {
		if err := s.Close(); err != nil {
			w.Fatalf("close: %v", err)
		}
	}
	w.publish(b, topic, "2")
	w.await("the other subscriber has both", func() bool { return len(open.all()) == 2 })
	wantList(w, "closed subscriber", closed.all(), "1")
}

// drainWithin fails the test unless s drains within limit.
func (w *world) drainWithin(s *bus.Subscriber, limit time.Duration) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, limit)
	defer cancel()
	if err := s.Drain(ctx); err != nil {
		w.Fatalf("drain: %v", err)
	}
}
