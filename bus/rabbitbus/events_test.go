package rabbitbus

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

const testPatience = 15 * time.Second

func TestNamesOfQueues(t *testing.T) {
	long := strings.Repeat("ö", driver.MaxName/2)
	if a, b := groupQueue("a=t=b", "c"), groupQueue("a", "b=t=c"); a == b {
		t.Errorf("two groups share the queue %s", a)
	}
	for _, name := range []string{groupQueue(long, long), retryQueue(groupQueue(long, long), maxRetryDelay), deadQueue(long)} {
		if len(name) > maxShort {
			t.Errorf("a queue's name has %d bytes; want at most %d: %s", len(name), maxShort, name)
		}
	}
	services := regexp.MustCompile(User{Services: []string{long}}.Permissions().Configure)
	group := groupQueue(long, long)
	for _, name := range []string{group, retryQueue(group, maxRetryDelay), deadQueue(long), bounded(prefixLock, deadQueue(long))} {
		if !services.MatchString(name) {
			t.Errorf("a member of the group may not open %s", name)
		}
	}
	if a, b := groupQueue(long, long+"1"), groupQueue(long, long+"2"); a == b {
		t.Errorf("two long groups share the queue %s", a)
	}
	if a, b := retryQueue(groupQueue("g", "t"), time.Second), retryQueue(groupQueue("g", "t"), 2*time.Second); a == b {
		t.Errorf("two delays share the queue %s", a)
	}
}

func TestTakes(t *testing.T) {
	for _, c := range []struct {
		pattern, topic string
		want           bool
	}{
		{"a.b", "a.b", true}, {"a.b", "a.b.c", false}, {"a.#", "a.b", false}, {"a.#", "a.#", true},
		{"a.*", "a.b", true}, {"a.*", "a", false}, {"a.*", "a.b.c", false},
		{"a.>", "a.b", true}, {"a.>", "a.b.c", true}, {"a.>", "a", false}, {"a.>", "ab.c", false},
	} {
		if got := takes(c.pattern, c.topic); got != c.want {
			t.Errorf("takes(%q, %q) = %v; want %v", c.pattern, c.topic, got, c.want)
		}
	}
}

func TestRetryDelay(t *testing.T) {
	m := &member{s: driver.Subscription{RetryDelay: 300 * time.Millisecond}}
	for attempt, want := range map[int]time.Duration{1: 300 * time.Millisecond, 3: 1200 * time.Millisecond, 60: maxRetryDelay} {
		if got := m.delay(attempt); got != want {
			t.Errorf("after attempt %d: %v; want %v", attempt, got, want)
		}
	}
	m.s.RetryDelay = time.Nanosecond
	if got := m.delay(1); got != time.Millisecond {
		t.Errorf("a delay of a nanosecond became %v; want a millisecond", got)
	}
}

// TestEvents runs what needs a broker on one.
func TestEvents(t *testing.T) {
	if testing.Short() {
		return
	}
	e := startEngine(t, topologies[0])
	for name, test := range map[string]func(*testing.T, *engine){
		"DeadLetters":              testLetters,
		"DeadLettersAtOnce":        testLettersAtOnce,
		"EarlierAttemptsCount":     testEarlierAttempts,
		"StoppedBroker":            testStopped,
		"LongNames":                testLongNames,
		"HashInTopic":              testHashInTopic,
		"HandlerThatOverstays":     testOverstay,
		"LeavingHandsBack":         testLeaving,
		"ConsumerEndedByTheBroker": testQueueDeleted,
		"RetriesDoNotBlock":        testRetriesDoNotBlock,
		"ScanEndedByTheBroker":     testScanEnded,
	} {
		t.Run(name, func(t *testing.T) { test(t, e) })
	}
}

func (e *engine) subscribe(t *testing.T, c *conn, s driver.Subscription, h driver.EventHandler) driver.Consumer {
	t.Helper()
	consumer, err := c.Subscribe(t.Context(), s, h)
	if err != nil {
		t.Fatalf("subscribe to %s as %q: %v", s.Topic, s.Group, err)
	}
	t.Cleanup(func() { _ = consumer.Close() })
	return consumer
}

func publishText(t *testing.T, c *conn, topic, text string) {
	t.Helper()
	m := &driver.Message{Header: driver.Header{{Key: "who", Value: "test"}, {Key: "x-own", Value: "1"}}, Body: []byte(text)}
	if err := c.Publish(t.Context(), topic, m); err != nil {
		t.Fatalf("publish %q to %s: %v", text, topic, err)
	}
}

func receiveOne[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(testPatience):
		t.Fatalf("%s: nothing came within %v", what, testPatience)
		panic("unreachable")
	}
}

func awaitTrue(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testPatience)
	defer cancel()
	for !ok() {
		if !pause(ctx, 10*time.Millisecond) {
			t.Fatalf("%s: not within %v", what, testPatience)
		}
	}
}

func letters(t *testing.T, c *conn, group string) []driver.DeadLetter {
	t.Helper()
	all, err := c.DeadLetters(t.Context(), group, 100)
	if err != nil {
		t.Fatalf("list the dead letters of %s: %v", group, err)
	}
	return all
}

// kill makes n dead letters of group, with the bodies 0, 1, ….
func kill(t *testing.T, e *engine, c *conn, s driver.Subscription, n int) {
	t.Helper()
	s.MaxDeliver = 1
	consumer := e.subscribe(t, c, s, func(context.Context, *driver.Event) error { return errors.New("broken") })
	for i := range n {
		publishText(t, c, s.Topic, fmt.Sprint(i))
		awaitTrue(t, "the event is given up", func() bool { return len(letters(t, c, s.Group)) > i })
	}
	if err := consumer.Close(); err != nil {
		t.Fatal(err)
	}
}

func bodies(all []driver.DeadLetter) (out []string) {
	for _, l := range all {
		out = append(out, string(l.Message.Body))
	}
	return out
}

func testLetters(t *testing.T, e *engine) {
	c := e.connect(zoneA)
	s := driver.Subscription{Topic: "letters.x", Group: "letters/ö"}
	kill(t, e, c, s, 3)
	all := letters(t, c, s.Group)
	if got := bodies(all); !slices.Equal(got, []string{"0", "1", "2"}) {
		t.Fatalf("letters are %q; want the oldest first", got)
	}
	if first, err := c.DeadLetters(t.Context(), s.Group, 1); err != nil || len(first) != 1 || first[0].ID != all[0].ID {
		t.Fatalf("with limit 1: %v, %v; want only %s", first, err, all[0].ID)
	}
	groups, err := c.DeadGroups(t.Context())
	if err != nil || !slices.Contains(groups, driver.DeadGroup{Group: s.Group, Letters: 3}) {
		t.Fatalf("groups with letters: %v, %v; want %s with 3", groups, err, s.Group)
	}
	if err := c.DropLetter(t.Context(), s.Group, all[1].ID); err != nil {
		t.Fatalf("drop: %v", err)
	}
	for what, err := range map[string]error{
		"drop again":    c.DropLetter(t.Context(), s.Group, all[1].ID),
		"replay":        c.ReplayLetter(t.Context(), s.Group, all[1].ID),
		"no such id":    c.ReplayLetter(t.Context(), s.Group, "1"),
		"no such group": c.DropLetter(t.Context(), "nobody", "1"),
	} {
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %v; want NOT_FOUND", what, err)
		}
	}
	if got := bodies(letters(t, c, s.Group)); !slices.Equal(got, []string{"0", "2"}) {
		t.Fatalf("letters are %q after one was dropped; want 0 and 2", got)
	}
	replayed := make(chan *driver.Event, 1)
	e.subscribe(t, c, s, func(_ context.Context, ev *driver.Event) error {
		replayed <- ev
		return nil
	})
	if err := c.ReplayLetter(t.Context(), s.Group, all[0].ID); err != nil {
		t.Fatalf("replay: %v", err)
	}
	ev := receiveOne(t, "the replayed event", replayed)
	if ev.Topic != "letters.x" || ev.Attempt != 1 || string(ev.Message.Body) != "0" ||
		len(ev.Message.Header) != 2 || ev.Message.Header.Get("who") != "test" || ev.Message.Header.Get("x-own") != "1" {
		t.Fatalf("replayed %+v with %+v; want the event as it was published, on attempt 1", ev, ev.Message)
	}
	if got := bodies(letters(t, c, s.Group)); !slices.Equal(got, []string{"2"}) {
		t.Fatalf("letters are %q after one was replayed; want 2", got)
	}
}

// testLettersAtOnce lists from several connections and goroutines: no list misses a letter.
func testLettersAtOnce(t *testing.T, e *engine) {
	c := e.connect(zoneA)
	s := driver.Subscription{Topic: "atonce", Group: "atonce"}
	kill(t, e, c, s, 5)
	var readers sync.WaitGroup
	for _, reader := range []*conn{c, c, e.connect(zoneA), e.connect(zoneA)} {
		readers.Go(func() {
			for range 5 {
				all, err := reader.DeadLetters(t.Context(), s.Group, 100)
				if got := bodies(all); err != nil || !slices.Equal(got, []string{"0", "1", "2", "3", "4"}) {
					t.Errorf("letters are %q, %v; want 0 to 4", got, err)
					return
				}
			}
		})
	}
	readers.Wait()
}

// testEarlierAttempts has a member die between two that fail: all three count.
func testEarlierAttempts(t *testing.T, e *engine) {
	config := e.config(zoneA)
	line := &cable{nodes: e.broker(zoneA.Zone).Nodes()}
	config.Dialer = line.dial
	victim, err := open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = victim.Close(context.Background()) })
	s := driver.Subscription{Topic: "earlier", Group: "earlier", MaxDeliver: 3, RetryDelay: time.Millisecond}
	taken, release := make(chan int, 3), make(chan struct{})
	defer close(release)
	e.subscribe(t, victim, s, func(_ context.Context, ev *driver.Event) error {
		taken <- ev.Attempt
		if ev.Attempt == 1 {
			return errors.New("once")
		}
		<-release
		return nil
	})
	c := e.connect(zoneA)
	publishText(t, c, s.Topic, "x")
	for want := 1; want <= 2; want++ {
		if got := receiveOne(t, "the victim has the event", taken); got != want {
			t.Fatalf("attempt %d; want %d", got, want)
		}
	}
	line.cut()
	e.subscribe(t, c, s, func(_ context.Context, ev *driver.Event) error {
		taken <- ev.Attempt
		return errors.New("for good")
	})
	if got := receiveOne(t, "the heir has the event", taken); got != 3 {
		t.Fatalf("attempt %d; want 3", got)
	}
	awaitTrue(t, "the event is given up", func() bool { return len(letters(t, c, s.Group)) == 1 })
	if l := letters(t, c, s.Group)[0]; l.Attempts != 3 || l.Reason != "for good" || l.Topic != s.Topic {
		t.Fatalf("dead letter %+v; want 3 attempts at %s and the last error", l, s.Topic)
	}
}

func testLongNames(t *testing.T, e *engine) {
	c := e.connect(zoneA)
	long := strings.Repeat("g", driver.MaxName)
	s := driver.Subscription{Topic: "t." + long[2:], Group: long, RetryDelay: time.Millisecond, MaxDeliver: 2}
	e.subscribe(t, c, s, func(context.Context, *driver.Event) error { return errors.New("broken") })
	publishText(t, c, s.Topic, "x")
	awaitTrue(t, "the event is given up", func() bool { return len(letters(t, c, s.Group)) == 1 })
}

// testHashInTopic: # is a word like others here, and a wildcard on AMQP.
func testHashInTopic(t *testing.T, e *engine) {
	c := e.connect(zoneA)
	got := make(chan string, 4)
	note := func(_ context.Context, ev *driver.Event) error {
		got <- ev.Topic
		return nil
	}
	e.subscribe(t, c, driver.Subscription{Topic: "hash.#"}, note)
	e.subscribe(t, c, driver.Subscription{Topic: "hash.#", Group: "hash"}, note)
	publishText(t, c, "hash.other", "x")
	publishText(t, c, "hash.#", "x")
	for range 2 {
		if topic := receiveOne(t, "the event", got); topic != "hash.#" {
			t.Fatalf("a subscription to hash.# got %s", topic)
		}
	}
}

// testOverstay has a handler ignore its context: the event goes on to another member meanwhile.
func testOverstay(t *testing.T, e *engine) {
	c := e.connect(zoneA)
	s := driver.Subscription{Topic: "overstay", Group: "overstay", AckWait: 200 * time.Millisecond, RetryDelay: time.Millisecond}
	release, entered := make(chan struct{}), make(chan int, 2)
	defer close(release)
	handler := func(_ context.Context, ev *driver.Event) error {
		entered <- ev.Attempt
		if ev.Attempt == 1 {
			<-release
		}
		return nil
	}
	e.subscribe(t, c, s, handler)
	e.subscribe(t, c, s, handler)
	publishText(t, c, s.Topic, "x")
	for want := 1; want <= 2; want++ {
		if got := receiveOne(t, "the event is delivered", entered); got != want {
			t.Fatalf("delivery %d; want %d", got, want)
		}
	}
}

// testLeaving closes a member while it handles: another has the event long before AckWait.
func testLeaving(t *testing.T, e *engine) {
	s := driver.Subscription{Topic: "leaving", Group: "leaving", AckWait: time.Hour}
	first, second := e.connect(zoneA), e.connect(zoneA)
	taken, handled := make(chan struct{}, 1), make(chan string, 1)
	leaver := e.subscribe(t, first, s, func(ctx context.Context, _ *driver.Event) error {
		taken <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	})
	publishText(t, second, s.Topic, "x")
	receiveOne(t, "the leaver has the event", taken)
	e.subscribe(t, second, s, func(_ context.Context, ev *driver.Event) error {
		handled <- string(ev.Message.Body)
		return nil
	})
	if err := leaver.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	receiveOne(t, "the other member has the event", handled)
}

// testQueueDeleted takes the queues away under both kinds of subscriptions: both come back.
func testQueueDeleted(t *testing.T, e *engine) {
	c := e.connect(zoneA)
	got := make(chan string, 100)
	note := func(_ context.Context, ev *driver.Event) error {
		got <- ev.Topic
		return nil
	}
	s := driver.Subscription{Topic: "deleted", Group: "deleted"}
	e.subscribe(t, c, s, note)
	session, err := c.session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = session.do(t.Context(), "delete", func(ch *amqp.Channel) error {
		_, err := ch.QueueDelete(groupQueue(s.Group, s.Topic), false, false, false)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	awaitTrue(t, "the group is back", func() bool {
		publishText(t, c, s.Topic, "x")
		return len(got) > 0
	})
}

// testScanEnded deletes a queue that is being read through.
func testScanEnded(t *testing.T, e *engine) {
	c := e.connect(zoneA)
	const queue = "h2.dead.scanned"
	for range 2 {
		if err := c.put(t.Context(), queue, deadArguments(), persistent(nil, nil)); err != nil {
			t.Fatal(err)
		}
	}
	s := c.connection.live.Load()
	ch, err := s.channel(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = readThrough(t.Context(), ch, queue, 3, func(*amqp.Delivery) bool {
		_ = s.do(t.Context(), "delete", func(ch *amqp.Channel) error {
			_, err := ch.QueueDelete(queue, false, false, false)
			return err
		})
		return false
	})
	wantFault(t, err, fault.Unavailable, driver.ReasonEngine)
}

// testRetriesDoNotBlock: an event that waits long holds up neither others nor retries that wait less.
func testRetriesDoNotBlock(t *testing.T, e *engine) {
	c := e.connect(zoneA)
	slow := driver.Subscription{Topic: "block", Group: "block", RetryDelay: time.Hour}
	waits := make(chan struct{}, 1)
	first := e.subscribe(t, c, slow, func(context.Context, *driver.Event) error {
		waits <- struct{}{}
		return errors.New("not yet")
	})
	publishText(t, c, slow.Topic, "slow")
	receiveOne(t, "the slow event", waits)
	if err := first.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	quick := slow
	quick.RetryDelay = time.Millisecond
	attempts := make(chan string, 10)
	e.subscribe(t, c, quick, func(_ context.Context, ev *driver.Event) error {
		attempts <- fmt.Sprint(string(ev.Message.Body), ev.Attempt)
		if ev.Attempt < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	publishText(t, c, quick.Topic, "quick")
	for i := 1; i <= 3; i++ {
		if got, want := receiveOne(t, "the quick event", attempts), fmt.Sprint("quick", i); got != want {
			t.Fatalf("got %s; want %s", got, want)
		}
	}
}

// testStopped halts the broker's process: publishers hear in time, and afterwards all goes on.
func testStopped(t *testing.T, e *engine) {
	c := e.connect(zoneA)
	s := driver.Subscription{Topic: "stopped", Group: "stopped", RetryDelay: time.Millisecond}
	grouped, ephemeral := make(chan string, 100), make(chan string, 100)
	note := func(to chan string) driver.EventHandler {
		return func(_ context.Context, ev *driver.Event) error {
			to <- string(ev.Message.Body)
			return nil
		}
	}
	e.subscribe(t, c, s, note(grouped))
	e.subscribe(t, c, driver.Subscription{Topic: s.Topic}, note(ephemeral))
	node := e.broker(zoneA.Zone).Nodes()[0]
	if err := node.Stop(); err != nil {
		t.Fatal(err)
	}
	wantUnavailable(t, c, s.Topic)
	if err := node.Continue(); err != nil {
		t.Fatal(err)
	}
	awaitTrue(t, "the connection is back", func() bool {
		return c.Publish(t.Context(), s.Topic, &driver.Message{Body: []byte("after")}) == nil
	})
	for _, from := range []chan string{grouped, ephemeral} {
		for receiveOne(t, "an event after the stop", from) != "after" {
		}
	}
}
