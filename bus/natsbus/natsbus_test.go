package natsbus

import (
	"context"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/bus/driver"
)

var zoneA = driver.Zone{Region: "eu-west-1", Zone: "a"}

func TestOverProcessMemory(t *testing.T) {
	e := startEngine(t)
	e.memory = true
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	d, err := e.Open(ctx, zoneA)
	if err != nil {
		t.Fatal(err)
	}
	b := bus.New(d)
	defer b.Close(ctx)
	s, err := b.Serve(ctx, "core.eta-1", func(_ context.Context, m *bus.Message) *bus.Message {
		return &bus.Message{Header: bus.Header{{Key: bus.HeaderType, Value: bus.TypeReply}}, Body: m.Body}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := b.Apply(ctx, zoneA, []bus.Binding{{Service: "core.eta", Instance: "core.eta-1", Version: "1", Region: "eu-west-1", Zone: "a", Weight: 100}}); err != nil {
		t.Fatal(err)
	}
	for {
		reply, err := b.Request(ctx, &bus.Message{Header: bus.Header{{Key: bus.HeaderService, Value: "core.eta"}}, Body: []byte("hello")})
		if err == nil {
			if string(reply.Body) != "hello" {
				t.Fatalf("reply %q, want hello", reply.Body)
			}
			break
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
	got := make(chan string, 1)
	if _, err := b.Subscribe(ctx, bus.Subscription{Topic: "a.b", Group: "g"}, func(_ context.Context, e *bus.Event) error {
		got <- string(e.Message.Body)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(ctx, "a.b", &bus.Message{Body: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	if x := <-got; x != "x" {
		t.Fatal(x)
	}
}

// What an operator deletes under a running group is made anew: the group gets what is
// published from then on.
func TestDeletedStreamsAreMadeAnew(t *testing.T) {
	e := startEngine(t)
	ctx, cancel := context.WithTimeout(t.Context(), 6*pullHeartbeat)
	defer cancel()
	d, err := e.Open(ctx, zoneA)
	if err != nil {
		t.Fatal(err)
	}
	b := bus.New(d)
	defer b.Close(ctx)
	got := make(chan string, 100)
	if _, err := b.Subscribe(ctx, bus.Subscription{Topic: "a.b", Group: "g"}, func(_ context.Context, e *bus.Event) error {
		got <- string(e.Message.Body)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, stream := range []string{streamEvents, streamDead} {
		if err := d.(*conn).js.DeleteStream(ctx, stream); err != nil {
			t.Fatalf("delete %s: %v", stream, err)
		}
	}
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		err = b.Publish(ctx, "a.b", &bus.Message{Body: []byte("x")})
		select {
		case <-got:
			return
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("the group got nothing after its stream was deleted; the last Publish returned %v", err)
		}
	}
}
