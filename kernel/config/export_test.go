package config

import (
	"testing"

	"github.com/hansom-platform/hansom/kernel/config/document"
	"github.com/hansom-platform/hansom/kernel/config/history"
	"github.com/hansom-platform/hansom/platform/auth"
)

// Append writes a document without publishing it.
func Append(t testing.TB, s *Service, id, text string) {
	t.Helper()
	v, err := document.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = s.server.history.Append(t.Context(), "alice", "a test", func(*history.State) ([]history.Edit, error) {
		return []history.Edit{{ID: id, Value: v}}, nil
	})
	if err != nil {
		t.Fatalf("append %s: %v", id, err)
	}
}

// Verify has the HTTP side verify with v, as it does once Run knows who the instance is.
func Verify(s *Service, v *auth.Verifier) { s.server.verifier = func() *auth.Verifier { return v } }

// Waiting is how many clients wait for a change over HTTP.
func (s *Service) Waiting() int { return len(s.web.waiting) }
