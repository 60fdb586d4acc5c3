package rabbitbus

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// TestEventsWithoutMajority kills one node of two: the groups' queues stand still, which publishers
// hear within their deadlines. When the node is back, everything that was confirmed is handled.
func TestEventsWithoutMajority(t *testing.T) {
	if testing.Short() {
		return
	}
	e := startEngine(t, topologies[1])
	nodes := e.broker("a").Nodes()
	c := e.connectTo(t, 0)
	s := driver.Subscription{Topic: "majority.x", Group: "majority", RetryDelay: time.Second}
	handled := make(chan string, 100)
	e.subscribe(t, c, s, func(_ context.Context, ev *driver.Event) error {
		if ev.Attempt == 1 {
			return errors.New("only the second time")
		}
		handled <- string(ev.Message.Body)
		return nil
	})
	heard := make(chan string, 100)
	e.subscribe(t, c, driver.Subscription{Topic: "nobody.x"}, func(_ context.Context, ev *driver.Event) error {
		heard <- string(ev.Message.Body)
		return nil
	})
	for i := range 10 {
		publishText(t, c, s.Topic, fmt.Sprint(i))
	}
	if err := nodes[1].Kill(); err != nil {
		t.Fatal(err)
	}
	wantUnavailable(t, c, s.Topic)
	begin := time.Now()
	_, err := c.Subscribe(t.Context(), driver.Subscription{Topic: "new.x", Group: "new"}, nil)
	if took := time.Since(begin); !fault.Is(err, fault.Unavailable) || took > 2*callTimeout {
		t.Errorf("a new group without a majority: %v after %v; want UNAVAILABLE within %v", err, took, 2*callTimeout)
	}
	publishText(t, c, "nobody.x", "still")
	receiveOne(t, "an event without a group", heard)
	if err := nodes[1].Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	awaitTrue(t, "a new group with a majority", func() bool {
		consumer, err := c.Subscribe(t.Context(), driver.Subscription{Topic: "new.x", Group: "new"}, nil)
		return err == nil && consumer.Close() == nil
	})
	seen := map[string]bool{}
	for !confirmedAll(seen) { // what was not confirmed may come as well
		seen[receiveOne(t, "every confirmed event is handled", handled)] = true
	}
	publishText(t, c, s.Topic, "again")
	awaitTrue(t, "the group goes on", func() bool {
		select {
		case got := <-handled:
			return got == "again"
		default:
			return false
		}
	})
}

func confirmedAll(seen map[string]bool) bool {
	for i := range 10 {
		if !seen[fmt.Sprint(i)] {
			return false
		}
	}
	return true
}

func wantUnavailable(t *testing.T, c *conn, topic string) {
	t.Helper()
	const deadline = 2 * time.Second
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	begin := time.Now()
	err := c.Publish(ctx, topic, &driver.Message{Body: []byte("lost")})
	if took := time.Since(begin); !fault.Is(err, fault.Unavailable) || took > deadline+time.Second {
		t.Fatalf("publish without a majority: %v after %v; want UNAVAILABLE within %v", err, took, deadline)
	}
}

// connectTo connects to one node of zone a, and to no other.
func (e *engine) connectTo(t *testing.T, node int) *conn {
	t.Helper()
	config := e.config(zoneA)
	config.Dialer = (&cable{nodes: e.broker(zoneA.Zone).Nodes()[node : node+1]}).dial
	c, err := open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}
