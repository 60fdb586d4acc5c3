package adapters

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Limits are the settings that every adapter has, embedded in its own.
type Limits struct {
	MaxOpen        int           `json:"max_open"`        // connections, and operations at once
	MaxIdle        int           `json:"max_idle"`        // connections kept open unused
	MaxLifetime    time.Duration `json:"max_lifetime"`    // of a connection; 0: no limit
	MaxIdleTime    time.Duration `json:"max_idle_time"`   // of an unused connection; 0: no limit
	ConnectTimeout time.Duration `json:"connect_timeout"` // to make a connection, and to prove a configuration
	Wait           time.Duration `json:"wait"`            // for a free place
	Timeout        time.Duration `json:"timeout"`         // of an operation whose context has no deadline
	Drain          time.Duration `json:"drain"`           // for what runs on a configuration that is replaced
}

// DefaultLimits are in force where the configuration does not say otherwise.
func DefaultLimits() Limits {
	return Limits{
		MaxOpen: 20, MaxIdle: 10,
		MaxLifetime: 30 * time.Minute, MaxIdleTime: 5 * time.Minute,
		ConnectTimeout: 5 * time.Second, Wait: time.Second,
		Timeout: 10 * time.Second, Drain: 30 * time.Second,
	}
}

// Validate returns an error that names the member that cannot be used.
func (l Limits) Validate() error {
	if l.MaxOpen < 1 || l.MaxOpen > 10_000 {
		return fmt.Errorf("max_open is %d: want 1 to 10000", l.MaxOpen)
	}
	if l.MaxIdle < 0 {
		return fmt.Errorf("max_idle is %d: want 0 to max_open", l.MaxIdle)
	}
	for _, p := range []struct {
		name  string
		value time.Duration
		zero  bool // is allowed: no limit
	}{
		{"max_lifetime", l.MaxLifetime, true}, {"max_idle_time", l.MaxIdleTime, true},
		{"connect_timeout", l.ConnectTimeout, false}, {"wait", l.Wait, false},
		{"timeout", l.Timeout, false}, {"drain", l.Drain, false},
	} {
		if p.value < 0 || p.value == 0 && !p.zero {
			return fmt.Errorf("%s is %s: want more than 0", p.name, p.value)
		}
	}
	return nil
}

// ParseURL reads the address of a server. It takes the password out of the URL,
// unless one is given beside it, so that no text made of the URL shows it. What
// cannot be read may hold a password and is not quoted in the error.
func ParseURL(text, password string, schemes ...string) (*url.URL, string, error) {
	want := "want " + schemes[0] + "://user@host:port/database"
	if text == "" {
		return nil, "", errors.New("url is missing: " + want)
	}
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" {
		return nil, "", errors.New("url cannot be read: " + want + "; in a password, all but letters and digits is percent-encoded, or put it under password")
	}
	if !slices.Contains(schemes, u.Scheme) {
		return nil, "", fmt.Errorf("url begins with %q: want one of %s", u.Scheme+":", strings.Join(schemes, ", "))
	}
	if inside, ok := u.User.Password(); ok {
		u.User = url.User(u.User.Username())
		if password == "" {
			password = inside
		}
	}
	return u, password, nil
}
