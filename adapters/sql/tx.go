package sql

import (
	"context"
	"database/sql"
	"errors"

	"github.com/hansom-platform/hansom/adapters"
)

// Tx is a transaction. It keeps the server that it began on, whatever becomes of
// the configuration. End it with Commit or Rollback; the end of the context given
// to Begin rolls it back.
type Tx struct {
	tx   *sql.Tx
	held *adapters.Operation[*client]
}

// Begin starts a transaction; nil options are the server's defaults. A context
// without a deadline gives each statement the configured timeout, and the whole no
// limit.
func (d *DB) Begin(ctx context.Context, opts *TxOptions) (*Tx, error) {
	held, err := d.adapter.Hold(ctx, "BEGIN")
	if err != nil {
		return nil, err
	}
	tx, err := held.Client().db.BeginTx(held.Context(), opts)
	if err != nil {
		return nil, held.End(err)
	}
	if err := held.Finish(nil); err != nil {
		return nil, err
	}
	context.AfterFunc(held.Context(), held.Release)
	return &Tx{tx, held}, nil
}

// InTx runs f in a transaction, which is committed when f returns nil and rolled
// back when it returns an error or panics. Nothing is repeated: where f may be,
// Conflict is the reason to.
func (d *DB) InTx(ctx context.Context, opts *TxOptions, f func(ctx context.Context, tx *Tx) error) error {
	tx, err := d.Begin(ctx, opts)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if err := f(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
}

// Exec runs a statement that returns no rows.
func (t *Tx) Exec(ctx context.Context, query string, args ...any) (Result, error) {
	op := t.held.Within(ctx, operation(query))
	result, err := t.tx.ExecContext(op.Context(), query, args...)
	return result, op.End(err)
}

// Query runs a statement that returns rows. Close them before the next statement.
func (t *Tx) Query(ctx context.Context, query string, args ...any) (*Rows, error) {
	op := t.held.Within(ctx, operation(query))
	rows, err := t.tx.QueryContext(op.Context(), query, args...)
	return newRows(op, rows, err)
}

// QueryRow runs a statement that returns one row; see DB.QueryRow.
func (t *Tx) QueryRow(ctx context.Context, query string, args ...any) *Row {
	rows, err := t.Query(ctx, query, args...)
	return &Row{rows, err}
}

// Commit ends the transaction. After Unavailable or Timeout it may have been
// committed.
func (t *Tx) Commit() error {
	defer t.held.Release()
	op := t.held.Within(t.held.Context(), "COMMIT")
	return op.End(t.tx.Commit())
}

// Rollback undoes the transaction. After Commit it does nothing.
func (t *Tx) Rollback() error {
	defer t.held.Release()
	op := t.held.Within(t.held.Context(), "ROLLBACK")
	err := t.tx.Rollback()
	if errors.Is(err, sql.ErrTxDone) {
		op.Release() // not worth telling
		return nil
	}
	return op.End(err)
}
