package login

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Application is what is configured of an application: the object at
// hansom.login.applications.<name>. What is missing there has the default in brackets.
type Application struct {
	MinLength int           // of new passwords, in characters (8; of the application admin 12)
	History   int           // how many of the last passwords a new one may not be (0)
	MaxAge    time.Duration // of a password, after which it must be changed to log in (none)
	Forbid    []string      // words that no password may contain
	Token     time.Duration // lifetime of a token, at most 8 h (8 h)
	Idle      time.Duration // how long a session lives that nobody renews (as its token)
	Session   time.Duration // the longest life of a session, at most 30 days (30 days)
	Attempts  int           // wrong passwords before there are pauses (5)
}

// Limits of lifetimes.
const (
	maxToken     = 8 * time.Hour
	maxSession   = 30 * 24 * time.Hour
	maxAuthAs    = time.Hour
	renewWithin  = 30 * time.Minute // before the end of a token a new one is given
	identityLife = time.Hour
	skew         = 2 * time.Minute // that clocks may differ by
)

// settingsText is the JSON form of Application.
type settingsText struct {
	MinLength *int     `json:"min_length"`
	History   *int     `json:"history"`
	MaxAge    string   `json:"max_age"`
	Forbid    []string `json:"forbid"`
	Token     string   `json:"token"`
	Idle      string   `json:"idle"`
	Session   string   `json:"session"`
	Attempts  *int     `json:"attempts"`
}

// values is where settings come from: the service's own configuration.
type values interface {
	Decode(key string, v any) error
}

// settings gives the live settings of applications, and the last good ones where
// somebody configured nonsense.
type settings struct {
	values values // nil: only defaults
	log    *slog.Logger

	mu       sync.Mutex
	lastGood map[string]Application
	problems map[string]string
}

func (s *settings) application(name string) Application {
	if s.values == nil {
		return defaultApplication(name)
	}
	var text *settingsText
	a := defaultApplication(name)
	err := s.values.Decode("hansom.login.applications."+name, &text)
	if err == nil && text == nil { // nothing is kept of it: anybody may name any application
		return a
	}
	if err == nil {
		err = text.apply(&a)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.lastGood[name] = a
		delete(s.problems, name)
		return a
	}
	if s.problems[name] != err.Error() {
		s.problems[name] = err.Error()
		s.log.WarnContext(context.Background(), "the settings of an application are wrong; the ones before stay in force", "application", name, "error", err)
	}
	if good, ok := s.lastGood[name]; ok {
		return good
	}
	return defaultApplication(name)
}

func defaultApplication(name string) Application {
	a := Application{MinLength: 8, Token: maxToken, Idle: maxToken, Session: maxSession, Attempts: 5}
	if name == adminApplication {
		a.MinLength = 12
	}
	return a
}

func (t settingsText) apply(a *Application) error {
	for _, n := range []struct {
		name     string
		from     *int
		to       *int
		min, max int
	}{
		{"min_length", t.MinLength, &a.MinLength, 1, 128},
		{"history", t.History, &a.History, 0, 24},
		{"attempts", t.Attempts, &a.Attempts, 1, 100},
	} {
		if err := setNumber(n.name, n.from, n.to, n.min, n.max); err != nil {
			return err
		}
	}
	for _, d := range []struct {
		name     string
		from     string
		to       *time.Duration
		min, max time.Duration
	}{
		{"max_age", t.MaxAge, &a.MaxAge, time.Hour, 100 * 365 * 24 * time.Hour},
		{"token", t.Token, &a.Token, time.Minute, maxToken},
		{"session", t.Session, &a.Session, time.Minute, maxSession},
		{"idle", t.Idle, &a.Idle, time.Minute, maxSession},
	} {
		if err := setDuration(d.name, d.from, d.to, d.min, d.max); err != nil {
			return err
		}
	}
	if t.Idle == "" {
		a.Idle = a.Token
	}
	a.Forbid = t.Forbid
	return nil
}
