package sqlitestore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store/driver"
)

const columns = "clustering, revision, expires, sum, value"

// The last parameter of each is the time: what has expired is not there.
const (
	selectRecord  = "SELECT " + columns + " FROM records WHERE tbl = ? AND part = ? AND clustering = ? AND (expires = 0 OR expires > ?)"
	selectForward = "SELECT " + columns + " FROM records WHERE tbl = ? AND part = ? AND clustering >= ? AND clustering < ?" +
		" AND (expires = 0 OR expires > ?) ORDER BY clustering"
	selectReverse = selectForward + " DESC"
	selectOverdue = "SELECT EXISTS (SELECT 1 FROM records WHERE expires > 0 AND expires <= ?)"
)

// read runs f, which reads, while the file is locked and there is time. That is rare: readers wait
// only for somebody who has the whole file to themselves.
func (e *engine) read(ctx, inner context.Context, f func() error) error {
	err := e.retryBusy(inner, f)
	switch {
	case err == nil:
		return nil
	case isBusy(err):
		return e.lockedFault(err)
	case inner.Err() != nil:
		return e.ended(ctx)
	}
	return e.fault(err)
}

// Get is one SELECT.
func (e *engine) Get(ctx context.Context, at driver.Partition, clustering string) (driver.Record, error) {
	inner, leave, err := e.enter(ctx)
	if err != nil {
		return driver.Record{}, err
	}
	defer leave()
	var r row
	err = e.read(ctx, inner, func() error {
		r, err = queryRecord(inner, e.get, at, clustering, e.now().UnixMilli())
		return err
	})
	if errors.Is(err, errNoRecord) {
		return driver.Record{}, errNoRecord
	}
	if err != nil {
		return driver.Record{}, err
	}
	if err := r.check(at); err != nil {
		return driver.Record{}, e.corruptFault(err)
	}
	return r.record(), nil
}

var errNoRecord = fault.New(fault.NotFound, driver.ReasonNotFound, "there is no such record")

// queryRecord returns the row of a record, or errNoRecord.
func queryRecord(ctx context.Context, get *sql.Stmt, at driver.Partition, clustering string, now int64) (r row, err error) {
	err = get.QueryRowContext(ctx, at.Table, []byte(at.Key), []byte(clustering), now).
		Scan(&r.clustering, &r.revision, &r.expires, &r.sum, &r.value)
	if errors.Is(err, sql.ErrNoRows) {
		err = errNoRecord
	}
	return r, err
}

func scanCounter(found *sql.Row) (revision uint64, err error) {
	var sum int64
	if err := found.Scan(&revision, &sum); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			err = errCounter
		}
		return 0, err
	}
	if sum != counterSum(revision) {
		return 0, errCounter
	}
	return revision, nil
}

// Range is one SELECT, and so the picture of one instant.
func (e *engine) Range(ctx context.Context, at driver.Partition, span driver.Span) (records []driver.Record, more bool, err error) {
	inner, leave, err := e.enter(ctx)
	if err != nil {
		return nil, false, err
	}
	defer leave()
	err = e.read(ctx, inner, func() error {
		records, more, err = e.scanSpan(inner, at, span)
		return err
	})
	return records, more, err
}

func (e *engine) scanSpan(ctx context.Context, at driver.Partition, span driver.Span) (records []driver.Record, more bool, err error) {
	stmt := e.scan[0]
	if span.Reverse {
		stmt = e.scan[1]
	}
	to := span.To
	if to == "" {
		to = "\xff" // above all keys: they are UTF-8
	}
	rows, err := stmt.QueryContext(ctx, at.Table, []byte(at.Key), []byte(span.From), []byte(to), e.now().UnixMilli())
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	for size := 0; rows.Next(); {
		if len(records) == span.Limit || size >= driver.PageBytes {
			return records, true, nil
		}
		var r row
		if err := rows.Scan(&r.clustering, &r.revision, &r.expires, &r.sum, &r.value); err != nil {
			return nil, false, damage{err}
		}
		if err := r.check(at); err != nil {
			return nil, false, e.corruptFault(err)
		}
		records = append(records, r.record())
		size += len(r.value)
	}
	return records, false, rows.Err()
}
