package natscoord_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansom-platform/hansom/coord"
)

// What a dead session leaves in the stream is deleted by whoever watches.
func TestWatchersDeleteOrphans(t *testing.T) {
	h := newHarness(t).(*harness)
	defer h.Close()
	watching, dying := connect(t, h), connect(t, h)
	w, err := watching.Watch(t.Context(), "/")
	if err != nil {
		t.Fatalf("Watch: %v", err)
	}
	defer w.Close()
	s, err := dying.NewSession(t.Context(), time.Second)
	if err != nil {
		t.Fatalf("NewSession: %v", err)
	}
	if _, err := s.Create(t.Context(), "/orphan", nil); err != nil {
		t.Fatalf("Create: %v", err)
	}
	h.conns[1].Close()

	nc, err := nats.Connect(h.srv.ClientURL())
	if err != nil {
		t.Fatalf("Connect: %v", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatalf("jetstream.New: %v", err)
	}
	kv, err := js.KeyValue(t.Context(), "HANSOM_COORD")
	if err != nil {
		t.Fatalf("KeyValue: %v", err)
	}
	if _, err := kv.Get(t.Context(), "n.orphan"); err != nil {
		t.Fatalf("the node's key before its session's end: %v", err)
	}
	deadline := time.After(10 * time.Second)
	for {
		_, err := kv.Get(t.Context(), "n.orphan")
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("the orphan's key 10s after its session's end: error %v, want ErrKeyNotFound", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func connect(t *testing.T, h *harness) *coord.Coord {
	t.Helper()
	conn, err := h.Connect(t.Context())
	if err != nil {
		t.Fatalf("Connect: %v", err)
	}
	c := coord.New(conn.Driver)
	t.Cleanup(func() { _ = c.Close(t.Context()) })
	return c
}
