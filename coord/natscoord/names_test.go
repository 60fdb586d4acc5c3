package natscoord

import (
	"strings"
	"testing"

	"github.com/hansom-platform/hansom/fault"
	"pgregory.net/rapid"
)

func TestNodeSubjectsRoundTrip(t *testing.T) {
	n := names{"B"}
	paths := rapid.StringMatching(`(/[A-Za-z0-9._-]{1,8}){1,5}`)
	seen := map[string]string{}
	rapid.Check(t, func(t *rapid.T) {
		path := paths.Draw(t, "path")
		subject := n.node(path)
		if got, ok := n.path(subject); !ok || got != path {
			t.Fatalf("path(node(%q) = %q) = %q, %v; want it back", path, subject, got, ok)
		}
		if other, ok := seen[subject]; ok && other != path {
			t.Fatalf("%q and %q share the subject %q", path, other, subject)
		}
		seen[subject] = path
	})
}

func TestSubjectsOfSessionsAreNoNodes(t *testing.T) {
	n := names{"B"}
	if _, ok := n.path(n.session("x")); ok {
		t.Error("a session's subject was read as a node's")
	}
	if id, ok := n.sessionID(n.session("x")); !ok || id != "x" {
		t.Errorf("sessionID(session(x)) = %q, %v; want x", id, ok)
	}
}

func TestParseURL(t *testing.T) {
	servers, opts, err := parseURL("nats://u:p@h1:4222,h2:4222?bucket=X_1&replicas=3")
	o := options{}
	for _, opt := range opts {
		opt.apply(&o)
	}
	if err != nil || servers != "nats://u:p@h1:4222,h2:4222" || o != (options{"X_1", 3}) {
		t.Errorf("parseURL = %q, %+v, %v", servers, o, err)
	}
	for url, want := range map[string]string{
		"amqp://u:secret@host": "must look like",
		"nats://h?buckets=x":   `"buckets"`,
		"nats://h?replicas=x":  `replicas="x"`,
	} {
		_, _, err := parseURL(url)
		if !fault.Is(err, fault.BadRequest) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("parseURL(%q) = %v, want BAD_REQUEST that names %s and no password", url, err, want)
		}
	}
}
