package broker

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
)

// logger brings the server's log to slog, warnings and up, and catches what the
// server would end a program of its own with.
type logger struct {
	log   *slog.Logger
	fatal chan error // one at most
	quiet atomic.Bool
	awake atomic.Bool // has recovered its store

	mu   sync.Mutex
	last string
}

func newLogger(log *slog.Logger) *logger {
	return &logger{log: log, fatal: make(chan error, 1)}
}

// settled tells that the server has recovered its store. What it warns of before is
// how it does so after a kill, which is no cause for worry.
func (l *logger) settled() { l.awake.Store(true) }

// mute keeps the server's farewell out of the log.
func (l *logger) mute() { l.quiet.Store(true) }

func (l *logger) lastWords() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == "" {
		return "none"
	}
	return l.last
}

func (l *logger) say(level func(string, ...any), text string) {
	l.mu.Lock()
	l.last = text
	l.mu.Unlock()
	if !l.quiet.Load() {
		level("nats: " + text)
	}
}

// The methods below implement server.Logger.

func (l *logger) Noticef(string, ...any) {}
func (l *logger) Debugf(string, ...any)  {}
func (l *logger) Tracef(string, ...any)  {}

func (l *logger) Warnf(format string, v ...any) {
	level := l.log.Warn
	if !l.awake.Load() {
		level = l.log.Info
	}
	l.say(level, fmt.Sprintf(format, v...))
}

func (l *logger) Errorf(format string, v ...any) { l.say(l.log.Error, fmt.Sprintf(format, v...)) }

func (l *logger) Fatalf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	l.say(func(string, ...any) {}, text)
	select {
	case l.fatal <- fatalError{text, causeIn(v)}:
	default:
	}
}

func causeIn(args []any) error {
	var causes []error
	for _, arg := range args {
		if err, ok := arg.(error); ok {
			causes = append(causes, err)
		}
	}
	return errors.Join(causes...)
}

// fatalError keeps the server's words and the error they were made of.
type fatalError struct {
	text  string
	cause error
}

func (e fatalError) Error() string { return e.text }
func (e fatalError) Unwrap() error { return e.cause }
