package sql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"

	"github.com/hansom-platform/hansom/adapters"
	"github.com/hansom-platform/hansom/adapters/sql/mysql"
	"github.com/hansom-platform/hansom/adapters/sql/postgres"
)

// settings are the object at hansom.adapters.sql.<name>.
type settings struct {
	URL      string `json:"url"`
	Password string `json:"password"` // wins over one in the URL
	adapters.Limits
}

// client is a pool of database/sql for one configuration.
type client struct {
	db     *sql.DB
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
	u, password, err := adapters.ParseURL(s.URL, s.Password, "postgres", "postgresql", "mysql", "mariadb")
	if err != nil {
		return nil, err
	}
	var connector driver.Connector
	var target adapters.Target
	if strings.HasPrefix(u.Scheme, "postgres") {
		connector, target, err = postgres.Connector(u, password, service)
	} else {
		connector, target, err = mysql.Connector(u, password, service, s.ConnectTimeout)
	}
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(&gated{connector, adapters.NewGate(s.ConnectTimeout)})
	db.SetMaxOpenConns(s.MaxOpen)
	db.SetMaxIdleConns(min(s.MaxIdle, s.MaxOpen))
	db.SetConnMaxLifetime(s.MaxLifetime)
	db.SetConnMaxIdleTime(s.MaxIdleTime)
	return &client{db, target, s.Limits}, nil
}

// gated makes connections through a gate.
type gated struct {
	driver.Connector
	gate *adapters.Gate
}

// Connect implements driver.Connector.
func (g *gated) Connect(ctx context.Context) (conn driver.Conn, err error) {
	err = g.gate.Connect(ctx, func(ctx context.Context) (err error) {
		conn, err = g.Connector.Connect(ctx)
		return err
	})
	return conn, err
}

// Prove implements adapters.Client.
func (c *client) Prove(ctx context.Context) error { return c.db.PingContext(ctx) }

// Target implements adapters.Client.
func (c *client) Target() adapters.Target { return c.target }

// Limits implements adapters.Client.
func (c *client) Limits() adapters.Limits { return c.limits }

// Idle implements adapters.Client.
func (c *client) Idle() int { return c.db.Stats().Idle }

// Close implements adapters.Client.
func (c *client) Close() error { return c.db.Close() }
