// Package sql is a self-configuring client of PostgreSQL, MySQL and MariaDB,
// through database/sql. Services import it.
//
//	orders := sql.New(svc, "orders")
//	...
//	err := orders.QueryRow(ctx, "SELECT total FROM orders WHERE id = $1", id).Scan(&total)
//
// Its settings are an object at hansom.adapters.sql.<name> of the service's
// configuration, which it follows while the service runs: see package adapters and
// docs/adapters.md.
//
//	{"url": "postgres://orders@db.example.com:5432/orders?sslmode=verify-full", "password": "…"}
//
// The URL's scheme chooses the driver: postgres (or postgresql) is pgx, whose
// parameters are $1, $2; mysql and mariadb are go-sql-driver/mysql, whose parameters
// are ?. Statements are passed on as they are.
//
// # Errors
//
// All errors are faults: no row is NotFound; a violated constraint, a transaction
// that cannot be serialized, a deadlock and a lock that is held are Conflict; a server
// that cannot be reached, shuts down, refuses the login or has no connection left,
// and a full pool are Unavailable; a budget that ran out is Timeout; everything else,
// such as a mistake in a statement, is Internal. The driver's error can be had with
// errors.As. Faults have the server's message as their detail, which may quote the
// values in a statement: pass values as arguments.
package sql
