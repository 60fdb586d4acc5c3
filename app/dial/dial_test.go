package dial_test

import (
	"context"
	"strings"
	"testing"

	"github.com/hansom-platform/hansom/app/broker"
	"github.com/hansom-platform/hansom/app/dial"
	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
)

var zone = bus.Zone{Region: "local", Zone: "a"}

func TestWrongURLsSayWhatThereIs(t *testing.T) {
	for url, want := range map[string]string{
		"":                                 "there is amqp, amqps, nats, tls",
		"localhost:4222":                   "there is amqp, amqps, nats, tls",
		"kafka://u:secret@localhost":       `scheme "kafka", for which there is no driver; there is amqp, amqps, nats, tls`,
		"amqp://u:secret@localhost?zon=a":  "unknown parameter",
		"nats://u:secret@localhost?zon=a":  "unknown parameter",
		"nats://u:secret@localhost/folder": "want nats://",
	} {
		_, err := dial.Bus(t.Context(), url, zone)
		wantBadRequest(t, "bus "+url, err, want)
	}
	for url, want := range map[string]string{
		"":                                 "there is nats, tls",
		"zk://u:secret@localhost":          `scheme "zk", for which there is no driver; there is nats, tls`,
		"nats://u:secret@localhost?zone=a": "unknown parameter",
	} {
		_, err := dial.Coord(t.Context(), url)
		wantBadRequest(t, "coordination "+url, err, want)
	}
}

func wantBadRequest(t *testing.T, what string, err error, want string) {
	t.Helper()
	switch {
	case !fault.Is(err, fault.BadRequest):
		t.Errorf("%s: want BAD_REQUEST, got %v", what, err)
	case !strings.Contains(err.Error(), want):
		t.Errorf("%s: want an error with %q, got %v", what, want, err)
	case strings.Contains(err.Error(), "secret"):
		t.Errorf("%s: want an error without the password, got %v", what, err)
	}
}

func TestOpensWhatTheEmbeddedServerOffers(t *testing.T) {
	b, err := broker.Start(t.Context(), broker.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close(context.Background())
	for name, d := range map[string]dial.Dialer{"tcp": {}, "inside": {Inside: b}} {
		opened, err := d.Bus(t.Context(), b.URL(), zone)
		if err != nil {
			t.Errorf("%s: bus: %v", name, err)
			continue
		}
		if err := opened.Check(t.Context()); err != nil {
			t.Errorf("%s: want a connected bus, got %v", name, err)
		}
		_ = opened.Close(context.Background())
	}
	c, err := dial.Coord(t.Context(), b.URL())
	if err != nil {
		t.Fatalf("coordination: %v", err)
	}
	defer c.Close(context.Background())
	if _, err := c.Put(t.Context(), "/x", nil); err != nil {
		t.Errorf("want a written node, got %v", err)
	}
}

func TestRedactedHidesPasswords(t *testing.T) {
	for raw, want := range map[string]string{
		"nats://u:secret@127.0.0.1:4222": "nats://u:xxxxx@127.0.0.1:4222",
		"amqp://":                        "amqp://",
		"amqp://u:secret@h?management=http%3A%2F%2Fm%3Asecret%40h%3A1": "amqp://u:xxxxx@h?management=http%3A%2F%2Fm%3Axxxxx%40h%3A1",
		"amqp://u:secret@h?zone=a&management=http://m:secret@h%zz":     "amqp://u:xxxxx@h?(unreadable)",
		"amqp://u:secret@h?management=http://m:secret@h%25zz/":         "amqp://u:xxxxx@h?management=%28unreadable%29",
	} {
		if got := dial.Redacted(raw); got != want {
			t.Errorf("%s: want %s, got %s", raw, want, got)
		}
	}
}
