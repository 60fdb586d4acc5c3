package sql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/hansom-platform/hansom/adapters"
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
	opener := openMySQL
	if strings.HasPrefix(u.Scheme, "postgres") {
		opener = openPostgres
	}
	connector, target, err := opener(u, password, service, s.ConnectTimeout)
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

// cancelGrace is how long a server may take to acknowledge that a statement whose
// context ended is cancelled. After that its connection is closed.
const cancelGrace = 100 * time.Millisecond

func openPostgres(u *url.URL, password, service string, _ time.Duration) (driver.Connector, adapters.Target, error) {
	c, err := pgx.ParseConfig(u.String())
	if err != nil {
		return nil, adapters.Target{}, err
	}
	if password != "" {
		c.Password = password
	}
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = service
	}
	// The server stops working for a caller that gave up, and the connection stays good.
	c.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: cancelGrace}
	}
	t := adapters.Target{System: "postgresql", Namespace: c.Database, Host: c.Host, Port: int(c.Port)}
	if strings.HasPrefix(c.Host, "/") {
		t.Port = 0
	}
	return stdlib.GetConnector(*c), t, nil
}

func openMySQL(u *url.URL, password, service string, timeout time.Duration) (driver.Connector, adapters.Target, error) {
	none := adapters.Target{}
	if u.Hostname() == "" {
		return nil, none, errors.New("url names no host: want " + u.Scheme + "://user@host:3306/database")
	}
	port := u.Port()
	if port == "" {
		port = "3306"
	}
	query := u.RawQuery
	if !u.Query().Has("parseTime") {
		query = strings.TrimPrefix(query+"&parseTime=true", "&")
	}
	c, err := mysql.ParseDSN("tcp(" + net.JoinHostPort(u.Hostname(), port) + ")/" + strings.TrimPrefix(u.EscapedPath(), "/") + "?" + query)
	if err != nil {
		return nil, none, err
	}
	c.User, c.Passwd, c.Timeout = u.User.Username(), password, timeout
	c.Logger = &mysql.NopLogger{} // what it says comes back as an error too
	c.ConnectionAttributes = strings.TrimPrefix(c.ConnectionAttributes+",program_name:"+service, ",")
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, none, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, none, errors.New("url has a port that is no number: want " + u.Scheme + "://user@host:3306/database")
	}
	return connector, adapters.Target{System: u.Scheme, Namespace: c.DBName, Host: u.Hostname(), Port: number}, nil
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
