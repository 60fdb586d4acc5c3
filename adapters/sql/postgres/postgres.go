// Package postgres makes connections to PostgreSQL for adapters/sql, which alone
// imports it.
package postgres

import (
	"database/sql/driver"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/hansom-platform/hansom/adapters"
	"github.com/hansom-platform/hansom/adapters/sql/dialect"
)

// cancelGrace is how long a server may take to acknowledge that a statement whose
// context ended is cancelled. After that its connection is closed.
const cancelGrace = 100 * time.Millisecond

// Connector returns what makes connections, under the name of the service, and to
// what. The URL holds no password.
func Connector(u *url.URL, password, service string) (driver.Connector, adapters.Target, error) {
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

// KindOf reads an error of the server or of the driver, and reports whether it is
// one.
func KindOf(err error) (dialect.Kind, bool) {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return stateKind(answer.Code), true
	}
	var connect *pgconn.ConnectError
	// pgconn has no exported error for using a connection that broke before.
	if errors.As(err, &connect) || err.Error() == "conn closed" {
		return dialect.Unreachable, true
	}
	return dialect.Kind{}, false
}

// stateKind reads a SQLSTATE (PostgreSQL's manual, appendix A).
func stateKind(state string) dialect.Kind {
	switch state {
	case "23505", "23P01":
		return dialect.Unique
	case "23503":
		return dialect.ForeignKey
	case "40001", "40P01", "40002":
		return dialect.Serialized
	case "55P03", "55006":
		return dialect.Locked
	case "57014":
		return dialect.Timeout
	case "25006":
		return dialect.ReadOnly
	case "28000", "28P01", "3D000":
		return dialect.Login
	case "42501":
		return dialect.Denied
	case "23502": // a value is missing: the dialect.Statement is wrong, not the data that it meets
		return dialect.Statement
	}
	switch {
	case strings.HasPrefix(state, "23"):
		return dialect.Constraint
	case strings.HasPrefix(state, "08"):
		return dialect.Unreachable
	case strings.HasPrefix(state, "53"):
		return dialect.Full
	case strings.HasPrefix(state, "57P"):
		return dialect.Shutdown
	}
	return dialect.Statement
}
