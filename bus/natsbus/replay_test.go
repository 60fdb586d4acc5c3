package natsbus

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

func TestNamesFitTheEngine(t *testing.T) {
	longest := strings.Repeat("%", driver.MaxName)
	one, other := consumerName(longest, longest+".a"), consumerName(longest, longest+".b")
	if len(one) > maxConsumer || one == other {
		t.Errorf("consumers of the longest group on two topics: %q (%d bytes) and %q; want two names of at most %d bytes",
			one, len(one), other, maxConsumer)
	}
	for _, name := range []string{"", "core.billing", "a=b", "Żółć 🚕", "=", "=4", longest} {
		if got := unescape(escape(name, false)); got != name {
			t.Errorf("unescape(escape(%q)) = %q", name, got)
		}
	}
}

// A stream and a consumer that an earlier version made take replays after the first of
// them, from which the letters know nothing of the group's pattern.
func TestReplayOnAnEngineOfAnEarlierVersion(t *testing.T) {
	e := startEngine(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	d, err := e.Open(ctx, zoneA)
	if err != nil {
		t.Fatal(err)
	}
	b := bus.New(d)
	defer b.Close(ctx)
	js := d.(*conn).js
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{
		Name: streamEvents, Subjects: []string{prefixTopic + ">"}, Retention: jetstream.InterestPolicy, MaxAge: time.Hour,
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateConsumer(ctx, streamEvents, jetstream.ConsumerConfig{
		Durable: consumerName("g", "a.b"), FilterSubject: topicSubject("a.b"),
		DeliverPolicy: jetstream.DeliverNewPolicy, AckPolicy: jetstream.AckExplicitPolicy, MaxDeliver: -1,
	}); err != nil {
		t.Fatal(err)
	}
	for _, group := range []string{"g", "gone"} {
		letter := &driver.Message{Header: driver.Header{{Key: deadGroup, Value: group}, {Key: deadTopic, Value: "a.b"}}, Body: []byte("x")}
		if err := d.(*conn).store(ctx, deadSubject(group), letter); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.ReplayLetter(ctx, "g", "1"); err != nil {
		t.Fatalf("replay: %v", err)
	}
	if err := b.ReplayLetter(ctx, "gone", "2"); fault.ReasonOf(err) != driver.ReasonNoGroup {
		t.Errorf("replay to a group that has no consumer: %v; want %s", err, driver.ReasonNoGroup)
	}
	if left, err := b.DeadGroups(ctx); err != nil || len(left) != 1 || left[0].Group != "gone" {
		t.Errorf("groups with dead letters: %v, %v; want only gone, which nobody takes", left, err)
	}
	if info, err := js.Stream(ctx, streamEvents); err != nil || info.CachedInfo().Config.MaxAge != time.Hour {
		t.Errorf("the stream's own settings changed with its subjects: %v", err)
	}
	got := make(chan *bus.Event, 1)
	if _, err := b.Subscribe(ctx, bus.Subscription{Topic: "a.b", Group: "g"}, func(_ context.Context, e *bus.Event) error {
		got <- e
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	select {
	case e := <-got:
		if e.Topic != "a.b" || e.Attempt != 1 || string(e.Message.Body) != "x" {
			t.Errorf("replayed: %q of %s on attempt %d; want x of a.b on attempt 1", e.Message.Body, e.Topic, e.Attempt)
		}
	case <-ctx.Done():
		t.Error("the replayed event did not come")
	}
}

// A group with a pattern takes back what it gave up of any topic below.
func TestReplayToAPattern(t *testing.T) {
	e := startEngine(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	d, err := e.Open(ctx, zoneA)
	if err != nil {
		t.Fatal(err)
	}
	b := bus.New(d)
	defer b.Close(ctx)
	got := make(chan string, 2)
	if _, err := b.Subscribe(ctx, bus.Subscription{Topic: "a.>", Group: "g", MaxDeliver: 1}, func(_ context.Context, e *bus.Event) error {
		got <- e.Topic
		return errors.New("never")
	}); err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(ctx, "a.b.c", &bus.Message{}); err != nil {
		t.Fatal(err)
	}
	var letters []bus.DeadLetter
	for len(letters) == 0 {
		if letters, err = b.DeadLetters(ctx, "g", 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.ReplayLetter(ctx, "g", letters[0].ID); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		select {
		case topic := <-got:
			if topic != "a.b.c" {
				t.Errorf("delivery %d is of topic %s; want a.b.c", i+1, topic)
			}
		case <-ctx.Done():
			t.Fatalf("delivery %d did not come", i+1)
		}
	}
}
