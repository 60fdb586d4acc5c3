package natscoord_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansom-platform/hansom/coord"
	"github.com/hansom-platform/hansom/coord/natscoord"
	"github.com/hansom-platform/hansom/fault"
)

func TestOpenByURL(t *testing.T) {
	h := newHarness(t).(*harness)
	defer h.Close()
	d, err := natscoord.Open(t.Context(), h.srv.ClientURL()+"?bucket=OTHER")
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	c := coord.New(d)
	if _, err := c.Put(t.Context(), "/a", nil); err != nil {
		t.Errorf("Put: %v", err)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Errorf("Close: %v", err)
	}
	deadline := time.After(5 * time.Second)
	for h.srv.NumClients() != 0 {
		select {
		case <-deadline:
			t.Fatalf("%d connections are left 5s after Close, want 0", h.srv.NumClients())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	h := newHarness(t).(*harness)
	url := h.srv.ClientURL()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatalf("Connect: %v", err)
	}
	js, _ := jetstream.New(nc)
	if _, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "PLAIN"}); err != nil {
		t.Fatalf("CreateKeyValue: %v", err)
	}
	nc.Close()
	bare := startBare(t)

	for _, tc := range []struct {
		name, url string
		code      fault.Code
		want      string
	}{
		{"bad bucket", url + "?bucket=a.b", fault.BadRequest, "bad bucket name"},
		{"foreign bucket", url + "?bucket=PLAIN", fault.BadRequest, "made by somebody else"},
		{"no JetStream", bare, fault.Unavailable, "no JetStream"},
	} {
		_, err := natscoord.Open(t.Context(), tc.url)
		if !fault.Is(err, tc.code) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: Open = %v, want %v with %q", tc.name, err, tc.code, tc.want)
		}
	}
	h.Close()
	if _, err := natscoord.Open(t.Context(), url); !fault.Is(err, fault.Unavailable) {
		t.Errorf("Open of a stopped server = %v, want UNAVAILABLE", err)
	}
}

// startBare starts a server without JetStream.
func startBare(t *testing.T) string {
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatalf("NewServer: %v", err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	return srv.ClientURL()
}
