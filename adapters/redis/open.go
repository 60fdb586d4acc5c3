package redis

import (
	"context"
	"net"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/hansom-platform/hansom/adapters"
)

// settings are the object at hansom.adapters.redis.<name>.
type settings struct {
	URL      string `json:"url"`
	Password string `json:"password"` // wins over one in the URL
	adapters.Limits
}

// client is go-redis's for one configuration.
type client struct {
	redis  *redis.Client
	target adapters.Target
	limits adapters.Limits
}

func open(decode func(any) error, service string) (*client, error) {
	s := settings{Limits: adapters.DefaultLimits()}
	if err := decode(&s); err != nil {
		return nil, err
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	u, password, err := adapters.ParseURL(s.URL, s.Password, "redis", "rediss", "unix")
	if err != nil {
		return nil, err
	}
	o, err := redis.ParseURL(u.String())
	if err != nil {
		return nil, err
	}
	o.Password = password
	s.limit(o)
	if o.ClientName == "" {
		o.ClientName = service
	}
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	gate, dial := adapters.NewGate(s.ConnectTimeout), redis.NewDialer(o)
	o.Dialer = func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		err = gate.Connect(ctx, func(ctx context.Context) (err error) {
			conn, err = dial(ctx, network, address)
			return err
		})
		return conn, err
	}
	return &client{redis.NewClient(o), target(o), s.Limits}, nil
}

// limit has the pool keep the settings, and nothing be done twice: go-redis would
// repeat commands that may have been executed.
func (s *settings) limit(o *redis.Options) {
	o.MaxRetries = -1
	o.DialerRetries = 1
	o.DialTimeout = s.ConnectTimeout
	o.ReadTimeout, o.WriteTimeout = s.Timeout, s.Timeout
	o.ContextTimeoutEnabled = true
	o.PoolSize, o.MaxActiveConns = s.MaxOpen, s.MaxOpen
	o.PipelinePoolSize = -1 // pipelines are counted among the connections
	o.MinIdleConns, o.MaxIdleConns = 0, min(s.MaxIdle, s.MaxOpen)
	if s.MaxIdle == 0 {
		o.MaxIdleConns = 1 // go-redis's 0 is no limit
	}
	o.PoolTimeout = s.Wait
	o.ConnMaxLifetime = s.MaxLifetime
	o.ConnMaxIdleTime = s.MaxIdleTime
	if s.MaxIdleTime == 0 {
		o.ConnMaxIdleTime = -1
	}
}

func target(o *redis.Options) adapters.Target {
	t := adapters.Target{System: "redis", Namespace: strconv.Itoa(o.DB), Host: o.Addr}
	if host, port, err := net.SplitHostPort(o.Addr); err == nil && o.Network != "unix" {
		t.Host = host
		t.Port, _ = strconv.Atoi(port) // a name of a port is left out
	}
	return t
}

// Prove implements adapters.Client.
func (c *client) Prove(ctx context.Context) error { return c.redis.Ping(ctx).Err() }

// Target implements adapters.Client.
func (c *client) Target() adapters.Target { return c.target }

// Limits implements adapters.Client.
func (c *client) Limits() adapters.Limits { return c.limits }

// Idle implements adapters.Client.
func (c *client) Idle() int { return int(c.redis.PoolStats().IdleConns) }

// Close implements adapters.Client.
func (c *client) Close() error { return c.redis.Close() }

// operation returns the command's name, in upper case as Redis's manual has it.
func operation(command redis.Cmder) string { return strings.ToUpper(command.Name()) }

// silent drops what go-redis would write to standard error beside returning it.
type silent struct{}

// Printf implements the logger that redis.SetLogger takes.
func (silent) Printf(context.Context, string, ...any) {}

var quieten = sync.OnceFunc(func() { redis.SetLogger(silent{}) })
