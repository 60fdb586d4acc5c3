package config

import (
	"testing"

	"github.com/hansom-platform/hansom/kernel/config/document"
	"github.com/hansom-platform/hansom/kernel/config/history"
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
