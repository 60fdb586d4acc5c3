package rabbitmq

import (
	"maps"
	"os"
	"strings"
	"testing"
)

// own is what a private node sets as deploy/rabbitmq/rabbitmq.conf does not: addresses, names, logs, and a small disk.
var own = map[string]bool{
	"listeners.tcp.1": true, "listeners.tcp.default": true, "management.tcp.ip": true, "management.tcp.port": true,
	"default_user": true, "default_pass": true, "cluster_name": true, "disk_free_limit.absolute": true,
	"cluster_formation.classic_config.nodes.1": true, "cluster_formation.classic_config.nodes.2": true,
	"log.file": true, "log.file.rotation.count": true, "log.console": true, "log.console.level": true,
}

// Tests and production run with the same settings: here is where they would drift apart.
func TestSettingsAreProductions(t *testing.T) {
	text, err := os.ReadFile("../../deploy/rabbitmq/rabbitmq.conf")
	if err != nil {
		t.Fatal(err)
	}
	b := &Broker{}
	b.nodes = []*Node{newNode(b, 0, Ports{}), newNode(b, 1, Ports{})}
	want, got := settingsIn(string(text)), settingsIn(b.nodes[1].settings())
	if !maps.Equal(want, got) {
		t.Errorf("deploy/rabbitmq/rabbitmq.conf sets\n%v\nand a node of this package\n%v", want, got)
	}
}

func settingsIn(text string) map[string]string {
	settings := map[string]string{}
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(line, "=")
		key = strings.TrimSpace(key)
		if ok && !strings.HasPrefix(key, "#") && !own[key] {
			settings[key] = strings.TrimSpace(value)
		}
	}
	return settings
}
