package natsbus

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

func TestParseURL(t *testing.T) {
	got, err := ParseURL("nats://user:p%40ss@bus.example:4222?region=eu-west-1&zone=a&name=core.eta&replicas=3")
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		URL: "nats://user:p%40ss@bus.example:4222", Name: "core.eta", Replicas: 3,
		Zone: driver.Zone{Region: "eu-west-1", Zone: "a"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
}

func TestParseURLRefuses(t *testing.T) {
	for raw, text := range map[string]string{
		"nats://h:4222?regoin=x":                 `unknown parameter "regoin"`,
		"nats://h:4222?zone=a&zone=b":            "zone is given 2 times",
		"nats://h:4222?replicas=many":            "replicas=many: want 1 to 5",
		"nats://h:4222?replicas=0":               "replicas=0: want 1 to 5",
		"amqp://h:5672":                          `scheme "amqp": want nats or tls`,
		"nats://":                                "want nats://user:password@host:port",
		"nats://user:secret@h:4222/path":         "want nats://user:password@host:port",
		"nats://h:4222?%zz":                      "parameters",
		"nats://h:port":                          "invalid port",
		"127.0.0.1:4222":                         "bus URL",
		"nats://user:secret@h:4222?region=a;b=c": "parameters",
	} {
		_, err := ParseURL(raw)
		if !fault.Is(err, fault.BadRequest) || !strings.Contains(err.Error(), text) {
			t.Errorf("ParseURL(%q): %v; want BAD_REQUEST with %q", raw, err, text)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("ParseURL(%q) tells the password: %v", raw, err)
		}
	}
}

// TestOpenExplains: each way to misconfigure the engine has its own remedy.
func TestOpenExplains(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "nats://" + closed.Addr().String()
	_ = closed.Close()
	good, small, plain := startEngine(t), newEngine(t), newEngine(t)
	small.options.MaxPayload = 1 << 20
	plain.options.JetStream = false
	small.run()
	plain.run()
	for what, c := range map[string]struct{ url, text string }{
		"nobody listens": {nobody, "check that NATS runs at the address"},
		"wrong password": {strings.Replace(good.url(), "secret", "wrong", 1), "user and password"},
		"small messages": {small.url(), "set its max_payload to at least 1114112"},
		"no JetStream":   {plain.url(), "JetStream must be enabled"},
	} {
		t.Run(what, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			b, err := Open(ctx, Config{URL: c.url})
			if err == nil {
				_ = b.Close(ctx)
			}
			if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("Open: %v; want UNAVAILABLE with %q", err, c.text)
			}
			if err != nil && strings.Contains(err.Error(), "wrong@") {
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
}
