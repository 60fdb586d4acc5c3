package sql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"

	"github.com/hansom-platform/hansom/adapters/sql/dialect"
	"github.com/hansom-platform/hansom/adapters/sql/mysql"
	"github.com/hansom-platform/hansom/adapters/sql/postgres"
	"github.com/hansom-platform/hansom/fault"
)

// translate makes a fault of what database/sql and the drivers return.
func translate(err error) *fault.Error {
	k := kindOf(err)
	return fault.Wrap(err, k.Code, "adapters.sql."+k.Reason, k.Message)
}

func kindOf(err error) dialect.Kind {
	if errors.Is(err, sql.ErrNoRows) {
		return dialect.NoRows
	}
	if k, ok := postgres.KindOf(err); ok {
		return k
	}
	if k, ok := mysql.KindOf(err); ok {
		return k
	}
	switch {
	case isConnection(err):
		return dialect.Unreachable
	case errors.Is(err, context.DeadlineExceeded):
		return dialect.Timeout
	}
	return dialect.Statement
}

// isConnection reports whether err says that the server cannot be reached, or went
// away.
func isConnection(err error) bool {
	var network *net.OpError
	if errors.As(err, &network) {
		return true
	}
	for _, gone := range []error{driver.ErrBadConn, sql.ErrConnDone, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed} {
		if errors.Is(err, gone) {
			return true
		}
	}
	return false
}
