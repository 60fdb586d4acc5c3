package adapters_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/adapters"
)

func TestParseURL(t *testing.T) {
	cases := []struct {
		text, password string
		want, secret   string // of what is read
		message        string // of the error
	}{
		{text: "db://u:pw@h:1/d?x=y", want: "db://u@h:1/d?x=y", secret: "pw"},
		{text: "db://u:p%2Fw@h/d", want: "db://u@h/d", secret: "p/w"},
		{text: "db://u:pw@h/d", password: "beside", want: "db://u@h/d", secret: "beside"},
		{text: "db://h/d", password: "beside", want: "db://h/d", secret: "beside"},
		{text: "", message: "url is missing: want db://"},
		{text: "db://u:pw/x@h/d", message: "percent-encoded"},
		{text: "db://u:pw%zz@h/d", message: "percent-encoded"},
		{text: "db:pw@h", message: "url cannot be read"},
		{text: "other://u:pw@h/d", message: `begins with "other:": want one of db, dbs`},
	}
	for _, c := range cases {
		u, secret, err := adapters.ParseURL(c.text, c.password, "db", "dbs")
		if c.message != "" {
			if err == nil || !strings.Contains(err.Error(), c.message) || strings.Contains(err.Error(), "pw") {
				t.Errorf("ParseURL(%q): error %v, want %q and no password", c.text, err, c.message)
			}
			continue
		}
		if err != nil || u.String() != c.want || secret != c.secret {
			t.Errorf("ParseURL(%q, %q) = %v, %q, %v; want %s, %q", c.text, c.password, u, secret, err, c.want, c.secret)
		}
	}
}

func TestLimits(t *testing.T) {
	if err := adapters.DefaultLimits().Validate(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
	cases := map[string]func(*adapters.Limits){
		"max_open":        func(l *adapters.Limits) { l.MaxOpen = 0 },
		"max_idle":        func(l *adapters.Limits) { l.MaxIdle = -1 },
		"max_lifetime":    func(l *adapters.Limits) { l.MaxLifetime = -1 },
		"max_idle_time":   func(l *adapters.Limits) { l.MaxIdleTime = -time.Second },
		"connect_timeout": func(l *adapters.Limits) { l.ConnectTimeout = 0 },
		"wait":            func(l *adapters.Limits) { l.Wait = 0 },
		"timeout":         func(l *adapters.Limits) { l.Timeout = -1 },
		"drain":           func(l *adapters.Limits) { l.Drain = 0 },
	}
	for name, spoil := range cases {
		l := adapters.DefaultLimits()
		spoil(&l)
		if err := l.Validate(); err == nil || !strings.Contains(err.Error(), name+" is ") {
			t.Errorf("a bad %s: %v, want an error that names it", name, err)
		}
	}
}
