package sqlitestore

import (
	"context"
	"database/sql"
	"strings"

	"github.com/hansom-platform/hansom/store/driver"
)

// NoVerify opens files without looking for damage, as if they were too large for that.
func NoVerify() Option { return optionFunc(func(o *options) { o.verifyUp = -1 }) }

// Pragma returns a setting of the connection that writes.
func Pragma(ctx context.Context, d driver.Store, name string) (value string, err error) {
	err = d.(*engine).write.conn.QueryRowContext(ctx, "PRAGMA "+name).Scan(&value)
	return value, err
}

// Plans returns how SQLite goes about each kind of search.
func Plans(ctx context.Context, d driver.Store) (map[string]string, error) {
	plans := map[string]string{}
	for _, query := range []string{selectRecord, selectForward, selectReverse, selectOverdue, deleteExpired} {
		plan, err := explain(ctx, d.(*engine).readers, query)
		if err != nil {
			return nil, err
		}
		plans[query] = plan
	}
	return plans, nil
}

func explain(ctx context.Context, db *sql.DB, query string) (plan string, err error) {
	rows, err := db.QueryContext(ctx, "EXPLAIN QUERY PLAN "+query, make([]any, strings.Count(query, "?"))...)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			return "", err
		}
		plan += step + "\n"
	}
	return plan, rows.Err()
}

// Sweep frees what has expired, as the sweeper does from time to time.
func Sweep(d driver.Store) error { return d.(*engine).sweepOnce() }

// Waiting reports whether a write waits for the file's write lock.
func Waiting(d driver.Store) bool { return d.(*engine).locking.Load() }

// ExpireBatch is the most records that are freed in one transaction.
const ExpireBatch = expireBatch
