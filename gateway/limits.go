package gateway

import (
	"fmt"
	"net/netip"
	"reflect"
	"time"

	"github.com/hansom-platform/hansom/platform/config"
)

// configKey is where the gateway's part of the configuration is.
const configKey = "hansom.gateway"

// limits are what can be configured while the gateway runs.
type limits struct {
	Timeout     time.Duration `json:"timeout"`
	BodyLimit   int           `json:"body_limit"`
	Concurrency int           `json:"concurrency"`

	TrustedProxies []string       `json:"trusted_proxies"` // whose X-Forwarded-For is believed
	proxies        []netip.Prefix // the same
}

func (c Config) limits() limits {
	return limits{Timeout: c.Budget, BodyLimit: c.BodyLimit, Concurrency: c.Concurrency}
}

// Bounds of what may be configured. Beyond them is a slip of the keyboard.
const (
	minTimeout     = time.Millisecond
	maxTimeout     = time.Minute
	maxConcurrency = 1_000_000
)

func (l limits) check() error {
	switch {
	case l.Timeout < minTimeout || l.Timeout > maxTimeout:
		return fmt.Errorf("%s.timeout is %s, want %s to %s", configKey, l.Timeout, minTimeout, maxTimeout)
	case l.BodyLimit < 1 || l.BodyLimit > maxBody:
		return fmt.Errorf("%s.body_limit is %d bytes, want 1 to %d, which is what the bus takes", configKey, l.BodyLimit, maxBody)
	case l.Concurrency < 1 || l.Concurrency > maxConcurrency:
		return fmt.Errorf("%s.concurrency is %d, want 1 to %d", configKey, l.Concurrency, maxConcurrency)
	}
	return nil
}

// configure takes over the limits that are configured, and those of Config for what
// is not. A mistake leaves all of them as they are.
func (g *Gateway) configure(values *config.Values) {
	next := g.config.limits()
	err := values.Decode(configKey, &next)
	if err == nil {
		err = next.check()
	}
	if err == nil {
		next.proxies, err = networks(next.TrustedProxies)
	}
	now := g.limits.Load()
	switch {
	case err != nil:
		g.log.Error("the configuration of the gateway is refused, what was valid before stays: mend or roll it back with hansom config",
			"error", err, "revision", values.Revision(), "timeout", now.Timeout, "body_limit", now.BodyLimit, "concurrency", now.Concurrency)
	case !reflect.DeepEqual(next, *now):
		g.limits.Store(&next)
		g.log.Info("the limits of the gateway have changed", "revision", values.Revision(),
			"timeout", next.Timeout, "body_limit", next.BodyLimit, "concurrency", next.Concurrency, "trusted_proxies", next.TrustedProxies)
	}
}
