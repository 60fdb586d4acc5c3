package sql

import (
	"fmt"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hansom-platform/hansom/fault"
)

// Errors that are hard to have from a server in a test.
func TestKindsOfServerErrors(t *testing.T) {
	state := func(code string) error { return &pgconn.PgError{Code: code, Message: "m"} }
	number := func(n uint16) error { return &mysql.MySQLError{Number: n, Message: "m"} }
	cases := []struct {
		err    error
		code   fault.Code
		reason string
	}{
		{state("40001"), fault.Conflict, "serialization"},
		{state("55P03"), fault.Conflict, "locked"},
		{state("53300"), fault.Unavailable, "full"},
		{state("53100"), fault.Unavailable, "full"},
		{state("57P01"), fault.Unavailable, "shutdown"},
		{state("57P03"), fault.Unavailable, "shutdown"},
		{state("57014"), fault.Timeout, "timeout"},
		{state("08006"), fault.Unavailable, "unreachable"},
		{state("25006"), fault.Unavailable, "read_only"},
		{state("42501"), fault.Internal, "denied"},
		{state("42601"), fault.Internal, "statement"},
		{state("22001"), fault.Internal, "statement"},
		{number(1213), fault.Conflict, "serialization"},
		{number(1205), fault.Conflict, "locked"},
		{number(1040), fault.Unavailable, "full"},
		{number(1203), fault.Unavailable, "full"},
		{number(1053), fault.Unavailable, "shutdown"},
		{number(1927), fault.Unavailable, "shutdown"},
		{number(1836), fault.Unavailable, "read_only"},
		{number(1969), fault.Timeout, "timeout"},
		{number(3024), fault.Timeout, "timeout"},
		{number(1142), fault.Internal, "denied"},
		{number(1064), fault.Internal, "statement"},
		{number(3819), fault.Conflict, "constraint"},
		{mysql.ErrInvalidConn, fault.Unavailable, "unreachable"},
	}
	for _, c := range cases {
		f := translate(fmt.Errorf("wrapped: %w", c.err))
		if f.Code != c.code || f.Reason != "adapters.sql."+c.reason {
			t.Errorf("%v became %s %s, want %s adapters.sql.%s", c.err, f.Code, f.Reason, c.code, c.reason)
		}
	}
}
