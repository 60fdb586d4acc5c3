package sql

import (
	"context"
	"database/sql"

	"github.com/hansom-platform/hansom/adapters"
	"github.com/hansom-platform/hansom/platform"
)

// What database/sql already has the right words for.
type (
	Result    = sql.Result
	TxOptions = sql.TxOptions
)

// DB is the database of one name, whichever server the configuration says it is.
type DB struct {
	adapter *adapters.Adapter[*client]
}

// New returns the named database of svc, before svc runs. The name is a lower-case
// word; New panics on another.
func New(svc *platform.Service, name string) *DB {
	return &DB{adapters.New(svc, name, adapters.Kind[*client]{Name: "sql", Open: open, Translate: translate})}
}

// Exec runs a statement that returns no rows.
func (d *DB) Exec(ctx context.Context, query string, args ...any) (Result, error) {
	op, err := d.adapter.Start(ctx, operation(query))
	if err != nil {
		return nil, err
	}
	result, err := op.Client().db.ExecContext(op.Context(), query, args...)
	return result, op.End(err)
}

// Query runs a statement that returns rows. Close them: until then they hold a
// connection, until the context ends at the latest.
func (d *DB) Query(ctx context.Context, query string, args ...any) (*Rows, error) {
	op, err := d.adapter.Start(ctx, operation(query))
	if err != nil {
		return nil, err
	}
	rows, err := op.Client().db.QueryContext(op.Context(), query, args...)
	return newRows(op, rows, err)
}

// QueryRow runs a statement that returns one row. Its error is that of Row.Scan,
// which has to be called: NotFound where there is no row.
func (d *DB) QueryRow(ctx context.Context, query string, args ...any) *Row {
	rows, err := d.Query(ctx, query, args...)
	return &Row{rows, err}
}

// Do has f use the pool of database/sql itself, for what DB has no method for. f
// must not keep it: it may be closed when f returned. f's connections beyond the
// first are not counted among the adapter's places, yet limited by max_open.
func (d *DB) Do(ctx context.Context, f func(ctx context.Context, db *sql.DB) error) error {
	op, err := d.adapter.Start(ctx, "DO")
	if err != nil {
		return err
	}
	defer op.Release() // also when f panics
	return op.End(f(op.Context(), op.Client().db))
}

// Check makes one round trip to the server.
func (d *DB) Check(ctx context.Context) error { return d.adapter.Check(ctx) }
