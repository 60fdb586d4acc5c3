package broker_test

import (
	"bytes"
	"context"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansom-platform/hansom/app/broker"
)

const anyPort = "127.0.0.1:0"

func start(t *testing.T, dir string) *broker.Broker {
	t.Helper()
	b, err := broker.Start(t.Context(), broker.Config{Dir: dir, Listen: anyPort})
	if err != nil {
		t.Fatalf("start in %s: %v", dir, err)
	}
	t.Cleanup(func() { _ = b.Close(context.Background()) })
	return b
}

func stop(t *testing.T, b *broker.Broker) {
	t.Helper()
	if err := b.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func connect(t *testing.T, url string, options ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url, options...)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func TestConnectsOverTCPAndInProcess(t *testing.T) {
	b := start(t, t.TempDir())
	tcp := connect(t, b.URL())
	inside := connect(t, b.URL(), nats.InProcessServer(b))
	if _, err := inside.Subscribe("echo", func(m *nats.Msg) { _ = m.Respond(m.Data) }); err != nil {
		t.Fatal(err)
	}
	if err := inside.Flush(); err != nil {
		t.Fatal(err)
	}
	reply, err := tcp.Request("echo", []byte("hello"), 5*time.Second)
	if err != nil || string(reply.Data) != "hello" {
		t.Errorf("want hello, got %v, %v", reply, err)
	}
	if want := int64(2 << 20); tcp.MaxPayload() != want {
		t.Errorf("want a largest message of %d bytes, got %d", want, tcp.MaxPayload())
	}
}

func TestRefusesAWrongPassword(t *testing.T) {
	b := start(t, t.TempDir())
	for _, user := range []*url.Userinfo{nil, url.User("hansom"), url.UserPassword("hansom", "guess"), url.UserPassword("", "")} {
		u := url.URL{Scheme: "nats", Host: b.Addr(), User: user}
		if nc, err := nats.Connect(u.String()); err == nil {
			nc.Close()
			t.Errorf("%s: want a refusal, got a connection", u.String())
		}
	}
}

func TestCredentialsAndStoreSurvive(t *testing.T) {
	dir := t.TempDir()
	b := start(t, dir)
	first, _ := url.Parse(b.URL())
	put(t, b, "k", "v")
	stop(t, b)

	again := start(t, dir)
	second, _ := url.Parse(again.URL())
	if first.User.String() != second.User.String() {
		t.Errorf("want the same user and password after a restart, got others")
	}
	if got := get(t, again, "k"); got != "v" {
		t.Errorf("want the stored value v after a restart, got %q", got)
	}
	info, err := os.Stat(filepath.Join(dir, "credentials.json"))
	if err != nil || info.Mode().Perm() != fs.FileMode(0o600) {
		t.Errorf("want credentials of mode 0600, got %v, %v", info, err)
	}
}

func put(t *testing.T, b *broker.Broker, key, value string) {
	t.Helper()
	js, err := jetstream.New(connect(t, b.URL()))
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.PutString(t.Context(), key, value); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, b *broker.Broker, key string) string {
	t.Helper()
	js, err := jetstream.New(connect(t, b.URL()))
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	entry, err := kv.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(entry.Value())
}

func TestStartErrorsSayWhatToDo(t *testing.T) {
	taken, err := net.Listen("tcp", anyPort)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	storeIsAFile := t.TempDir()
	if err := os.WriteFile(filepath.Join(storeIsAFile, "jetstream"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	badCredentials := t.TempDir()
	if err := os.WriteFile(filepath.Join(badCredentials, "credentials.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		config broker.Config
		want   string
	}{
		"port taken":      {broker.Config{Dir: t.TempDir(), Listen: taken.Addr().String()}, "in use by another program"},
		"no address":      {broker.Config{Dir: t.TempDir(), Listen: "4222"}, "want host:port"},
		"no port":         {broker.Config{Dir: t.TempDir(), Listen: "127.0.0.1:nats"}, "the port must be a number"},
		"no folder":       {broker.Config{Listen: anyPort}, "no folder"},
		"folder is file":  {broker.Config{Dir: file, Listen: anyPort}, "make its folder"},
		"store is file":   {broker.Config{Dir: storeIsAFile, Listen: anyPort}, "move the folder away"},
		"bad credentials": {broker.Config{Dir: badCredentials, Listen: anyPort}, "remove the file"},
	} {
		c.config.Logger = slog.New(slog.DiscardHandler)
		b, err := broker.Start(t.Context(), c.config)
		if err == nil {
			_ = b.Close(context.Background())
			t.Errorf("%s: want an error with %q, got none", name, c.want)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: want an error with %q, got %v", name, c.want, err)
		}
	}
}

func TestIsSilentWhenAllIsWell(t *testing.T) {
	var log bytes.Buffer
	b, err := broker.Start(t.Context(), broker.Config{
		Dir: t.TempDir(), Listen: anyPort, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	put(t, b, "k", "v")
	if err := b.Check(t.Context()); err != nil {
		t.Errorf("want a healthy server, got %v", err)
	}
	stop(t, b)
	if err := b.Check(t.Context()); err == nil {
		t.Error("want an unhealthy server after Close, got a healthy one")
	}
	if log.Len() > 0 {
		t.Errorf("want an empty log, got %s", log.String())
	}
}
