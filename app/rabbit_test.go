package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hansom-platform/hansom/app"
)

func TestAPrivateRabbitMQIsOneZones(t *testing.T) {
	if testing.Short() {
		return // it needs RabbitMQ and the plugin, though it starts neither
	}
	data, err := os.MkdirTemp("", "") //nolint:usetesting // NATS, called off while it starts, may write to it when the test is over
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(data) })
	c := free(data)
	c.Engine = app.EngineRabbitMQ
	folder := filepath.Join(c.Data, "rabbitmq")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	held := `{"cluster": "zone-b", "epmd": 1, "nodes": [{"amqp": 2, "management": 3, "distribution": 4}], "user": "u", "password": "p", "cookie": "c"}`
	if err := os.WriteFile(filepath.Join(folder, "broker.json"), []byte(held), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := app.New(c)
	if err != nil {
		t.Fatal(err)
	}
	const want = "is zone b's, not zone a's: start with --zone b, or on another folder with --data"
	if err := a.Run(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("on the data of a broker of zone b: got %v, want %q", err, want)
	}
}
