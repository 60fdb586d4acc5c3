package sql

import (
	"context"
	"database/sql"
	"sync"

	"github.com/hansom-platform/hansom/adapters"
)

// Rows is the answer to a query. As with database/sql, one goroutine uses it.
type Rows struct {
	rows *sql.Rows
	op   *adapters.Operation[*client]
	stop func() bool // from ending the operation with its context

	once sync.Once
	err  error // what the operation ended with
}

// newRows wraps what a query of op returned.
func newRows(op *adapters.Operation[*client], rows *sql.Rows, err error) (*Rows, error) {
	if err != nil {
		return nil, op.End(err)
	}
	r := &Rows{rows: rows, op: op}
	// database/sql gives the connection back when the context ends; so do we.
	ctx := op.Context()
	r.stop = context.AfterFunc(ctx, func() { _ = r.end(ctx.Err()) })
	return r, nil
}

// end ends the operation, once, and returns what it ended with.
func (r *Rows) end(err error) error {
	r.once.Do(func() { r.err = r.op.End(err) })
	return r.err
}

// Next prepares the next row for Scan and reports whether there is one.
func (r *Rows) Next() bool {
	if r.rows.Next() {
		return true
	}
	if _, err := r.rows.Columns(); err != nil { // closed: there is no other result set
		_ = r.Close()
	}
	return false
}

// NextResultSet prepares the next result set and reports whether there is one.
func (r *Rows) NextResultSet() bool { return r.rows.NextResultSet() }

// Scan reads the columns of the current row.
func (r *Rows) Scan(dest ...any) error { return r.op.Fault(r.rows.Scan(dest...)) }

// Columns returns the names of the columns.
func (r *Rows) Columns() ([]string, error) {
	columns, err := r.rows.Columns()
	return columns, r.op.Fault(err)
}

// ColumnTypes describes the columns.
func (r *Rows) ColumnTypes() ([]*sql.ColumnType, error) {
	columns, err := r.rows.ColumnTypes()
	return columns, r.op.Fault(err)
}

// Err returns what ended the rows before their end, nil where nothing did.
func (r *Rows) Err() error {
	if err := r.rows.Err(); err != nil {
		return r.end(err)
	}
	return nil
}

// Close gives the connection back. It may be called more than once.
func (r *Rows) Close() error {
	r.stop()
	err := r.rows.Err()
	if closing := r.rows.Close(); err == nil {
		err = closing
	}
	return r.end(err)
}

// Row is the answer to QueryRow.
type Row struct {
	rows *Rows
	err  error
}

// Scan reads the columns of the first row and closes the answer. It returns
// NotFound where there is no row.
func (r *Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	err := sql.ErrNoRows
	if r.rows.rows.Next() {
		err = r.rows.rows.Scan(dest...)
	} else if e := r.rows.rows.Err(); e != nil {
		err = e
	}
	if closing := r.rows.rows.Close(); err == nil {
		err = closing
	}
	r.rows.stop()
	return r.rows.end(err)
}
