package rabbitbus

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

func TestParseURL(t *testing.T) {
	zones := filepath.Join(t.TempDir(), "zones.json")
	write(t, zones, `{"b": ["amqp://u:p@b1:5672", "amqps://u:p@b2"]}`)
	for _, test := range []struct {
		url  string
		want Config
	}{
		{"amqp://localhost", Config{
			URL: "amqp://localhost", Heartbeat: 2 * time.Second, Management: "http://localhost:15672",
		}},
		{"amqp://u:p@h:1234/%2Fv?region=eu&zone=a&name=core.eta&heartbeat=5s&management=https://m:1&zones=" + zones, Config{
			URL: "amqp://u:p@h:1234/%2Fv", Zone: driver.Zone{Region: "eu", Zone: "a"}, Name: "core.eta",
			Heartbeat: 5 * time.Second, Management: "https://m:1",
			Zones: map[string][]string{"b": {"amqp://u:p@b1:5672", "amqps://u:p@b2"}},
		}},
		{"amqps://u:p@h", Config{URL: "amqps://u:p@h", Heartbeat: 2 * time.Second, Management: "https://u:p@h:15671"}},
		{"amqp://u:p%40@[::1]:5/", Config{URL: "amqp://u:p%40@[::1]:5/", Heartbeat: 2 * time.Second, Management: "http://u:p%40@[::1]:15672"}},
	} {
		got, err := ParseURL(test.url)
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("ParseURL(%q): got %+v, %v; want %+v", test.url, got, err, test.want)
		}
	}
}

func TestParseURLRefuses(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "zones.json")
	write(t, broken, `{"b": ["nats://u:secret@b1"]}`)
	for url, want := range map[string]string{
		"nats://u:secret@h":                         "want amqp or amqps",
		"amqp://":                                   "want amqp://user:password@host:port/vhost",
		"amqp://u:secret@h/a/b":                     "want amqp://user:password@host:port/vhost",
		"amqp://u:secret@h/#x":                      "want amqp://",
		"amqp://u:secret@h:port":                    "cannot be read",
		"amqp://u:secret@h?zones=/none":             "zones: open /none",
		"amqp://u:secret@h?zones=" + broken:         "is no amqp or amqps URL",
		"amqp://u:secret@h?color=red":               `unknown parameter "color"`,
		"amqp://u:secret@h?zone=a&zone=b":           "given 2 times",
		"amqp://u:secret@h?heartbeat=10":            "want whole seconds",
		"amqp://u:secret@h?heartbeat=100ms":         "want whole seconds",
		"amqp://u:secret@h?management=amqp://m":     "want http://",
		"amqp://u:secret@h?cacert=x":                "is for amqps",
		"amqps://u:secret@h?cacert=/none":           "cacert: open /none",
		"amqps://u:secret@h?cacert=" + broken:       "no certificate",
		"amqps://u:secret@h?cert=" + broken:         "which go together",
		"amqps://u:secret@h?management=http://%zz/": "cannot be read",
	} {
		_, err := ParseURL(url)
		if !fault.Is(err, fault.BadRequest) || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseURL(%q): got %v; want BAD_REQUEST with %q", url, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("ParseURL(%q) shows the password: %v", url, err)
		}
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
