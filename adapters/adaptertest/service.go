package adaptertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/platformtest"
)

// Service is a service in memory to use an adapter in.
type Service struct {
	*platform.Service
	Log *Log

	t        testing.TB
	env      *platformtest.Env
	document map[string]any
	revision uint64
}

// NewService returns a service that does not run yet, so that adapters can be made.
func NewService(t testing.TB) *Service {
	log := &Log{}
	return &Service{
		Service:  platform.New("core.probe", platform.Logger(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))),
		Log:      log,
		t:        t,
		env:      platformtest.New(t),
		document: map[string]any{},
	}
}

// Run runs the service until the test ends, and fails the test when it leaves a
// goroutine behind.
func (s *Service) Run() {
	s.t.Helper()
	s.env.Start(s.Service)
}

// Stop drains the service.
func (s *Service) Stop() {
	s.t.Helper()
	s.env.Stop(s.Service)
}

// Configure replaces the settings of an adapter; nil removes them.
func (s *Service) Configure(kind, name string, settings map[string]any) {
	s.t.Helper()
	s.document = map[string]any{}
	if settings != nil {
		s.document["hansom"] = map[string]any{"adapters": map[string]any{kind: map[string]any{name: settings}}}
	}
	text, err := json.Marshal(s.document)
	if err != nil {
		s.t.Fatal(err)
	}
	s.revision++
	if err := s.Config().Set(text, s.revision, fmt.Sprint(s.revision)); err != nil {
		s.t.Fatalf("set the configuration %s: %v", text, err)
	}
}

// Await returns when f does not return an error any more, and fails the test with
// its last error where that takes longer than ten seconds.
func Await(t testing.TB, what string, f func() error) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(10 * time.Second)
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%s: after 10 s still: %v", what, err)
		}
	}
}

// Log is what a service logged.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String returns what was logged since the last Take.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Take returns what was logged since the last Take.
func (l *Log) Take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.text.Reset()
	return l.text.String()
}

// Await returns when a line that has all the parts was logged.
func (l *Log) Await(t testing.TB, parts ...string) {
	t.Helper()
	Await(t, "the log", func() error {
		text := l.String()
	lines:
		for line := range strings.Lines(text) {
			for _, p := range parts {
				if !strings.Contains(line, p) {
					continue lines
				}
			}
			return nil
		}
		return fmt.Errorf("no line has all of %q:\n%s", parts, text)
	})
}
