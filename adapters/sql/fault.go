package sql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hansom-platform/hansom/fault"
)

// kind is what an error means to callers.
type kind struct {
	code    fault.Code
	reason  string
	message string
}

var (
	noRows      = kind{fault.NotFound, "no_rows", "there is no such row"}
	unique      = kind{fault.Conflict, "unique", "it exists already"}
	foreignKey  = kind{fault.Conflict, "foreign_key", "it refers to what does not exist, or is referred to"}
	constraint  = kind{fault.Conflict, "constraint", "it violates a constraint"}
	serialized  = kind{fault.Conflict, "serialization", "it was changed at the same time"}
	locked      = kind{fault.Conflict, "locked", "it is being changed by another"}
	timeout     = kind{fault.Timeout, "timeout", "the database took too long"}
	unreachable = kind{fault.Unavailable, "unreachable", "the database cannot be reached"}
	shutdown    = kind{fault.Unavailable, "shutdown", "the database is shutting down or starting"}
	full        = kind{fault.Unavailable, "full", "the database has no room"}
	readOnly    = kind{fault.Unavailable, "read_only", "the database takes no writes now"}
	login       = kind{fault.Unavailable, "login", "the database refuses the login"}
	denied      = kind{fault.Internal, "denied", "the database does not allow it"}
	statement   = kind{fault.Internal, "statement", "something went wrong on our side"}
)

// translate makes a fault of what database/sql and the drivers return.
func translate(err error) *fault.Error {
	k := kindOf(err)
	return fault.Wrap(err, k.code, "adapters.sql."+k.reason, k.message)
}

func kindOf(err error) kind {
	var p *pgconn.PgError
	var m *mysql.MySQLError
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return noRows
	case errors.As(err, &p):
		return postgresKind(p.Code)
	case errors.As(err, &m):
		return mysqlKind(m.Number)
	case isConnection(err):
		return unreachable
	case errors.Is(err, context.DeadlineExceeded):
		return timeout
	}
	return statement
}

// isConnection reports whether err says that the server cannot be reached, or went
// away.
func isConnection(err error) bool {
	var connect *pgconn.ConnectError
	var network *net.OpError
	switch {
	case errors.As(err, &connect), errors.As(err, &network):
		return true
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone), errors.Is(err, mysql.ErrInvalidConn):
		return true
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return true
	}
	// pgconn has no exported error for using a connection that broke before.
	return err != nil && err.Error() == "conn closed"
}

// postgresKind reads a SQLSTATE (PostgreSQL's manual, appendix A).
func postgresKind(state string) kind {
	switch state {
	case "23505", "23P01":
		return unique
	case "23503":
		return foreignKey
	case "40001", "40P01", "40002":
		return serialized
	case "55P03", "55006":
		return locked
	case "57014":
		return timeout
	case "25006":
		return readOnly
	case "28000", "28P01", "3D000":
		return login
	case "42501":
		return denied
	case "23502": // a value is missing: the statement is wrong, not the data that it meets
		return statement
	}
	switch {
	case strings.HasPrefix(state, "23"):
		return constraint
	case strings.HasPrefix(state, "08"):
		return unreachable
	case strings.HasPrefix(state, "53"):
		return full
	case strings.HasPrefix(state, "57P"):
		return shutdown
	}
	return statement
}

// mysqlKind reads an error number (MySQL's manual, "Server Error Message Reference";
// MariaDB's own begin at 1900).
func mysqlKind(number uint16) kind {
	switch number {
	case 1022, 1062, 1169, 1557, 1586:
		return unique
	case 1216, 1217, 1451, 1452:
		return foreignKey
	case 3819, 4025:
		return constraint
	case 1213, 1020, 1614:
		return serialized
	case 1205, 3572:
		return locked
	case 1317, 1969, 3024:
		return timeout
	case 1053, 1077, 1079, 1927, 4031:
		return shutdown
	case 1021, 1040, 1041, 1114, 1203, 1226:
		return full
	case 1290, 1792, 1836:
		return readOnly
	case 1044, 1045, 1049, 1129, 1130, 1251, 1698, 3118, 4151:
		return login
	case 1142, 1143, 1227, 1370:
		return denied
	}
	return statement
}
