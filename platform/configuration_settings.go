package platform

import (
	"context"
	"log/slog"
	"sync/atomic"
)

// What a Service itself takes from its configuration, live.
const (
	keySettings    = "hansom.platform"
	keyConcurrency = keySettings + ".concurrency" // instead of Concurrency
	keyLogLevel    = keySettings + ".log"         // "debug", "info", "warn" or "error", instead of the logger's own level
)

// settings are what the service takes from its configuration.
type settings struct {
	concurrency atomic.Int64
	level       atomic.Pointer[slog.Level] // nil: the logger's own
}

// configure makes the service's configuration and has it hold for the service itself.
func (s *Service) configure() {
	s.log = slog.New(levelHandler{s.log.Handler(), &s.settings.level})
	s.configuration = newConfiguration(s)
	s.applySettings()
	s.Config().OnChange(keySettings, s.applySettings)
}

// applySettings takes the settings over. What is wrong with one leaves the default.
func (s *Service) applySettings() {
	limit := s.Config().Int(keyConcurrency, s.config.concurrency)
	if limit < 1 {
		s.log.Warn("a setting is out of range, the default is used instead", "key", keyConcurrency, "want", "at least 1")
		limit = s.config.concurrency
	}
	s.settings.concurrency.Store(int64(limit))
	s.settings.level.Store(s.logLevel())
}

func (s *Service) logLevel() *slog.Level {
	text := s.Config().String(keyLogLevel, "")
	if text == "" {
		return nil
	}
	level := new(slog.Level)
	if err := level.UnmarshalText([]byte(text)); err != nil {
		s.log.Warn("a setting is out of range, the default is used instead", "key", keyLogLevel, "want", "debug, info, warn or error")
		return nil
	}
	return level
}

// levelHandler is a slog.Handler whose level may be set while it is used.
type levelHandler struct {
	slog.Handler
	level *atomic.Pointer[slog.Level]
}

// Enabled implements slog.Handler.
func (h levelHandler) Enabled(ctx context.Context, level slog.Level) bool {
	if least := h.level.Load(); least != nil {
		return level >= *least
	}
	return h.Handler.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (h levelHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return levelHandler{h.Handler.WithAttrs(attrs), h.level}
}

// WithGroup implements slog.Handler.
func (h levelHandler) WithGroup(name string) slog.Handler {
	return levelHandler{h.Handler.WithGroup(name), h.level}
}
