package sqlitestore

import (
	"context"

	"github.com/hansom-platform/hansom/store/driver"
)

// NoVerify opens files without looking for damage, as if they were too large for that.
func NoVerify() Option { return optionFunc(func(o *options) { o.verifyUp = -1 }) }

// Pragma returns a setting of the connection that writes.
func Pragma(ctx context.Context, d driver.Store, name string) (value string, err error) {
	err = d.(*engine).write.conn.QueryRowContext(ctx, "PRAGMA "+name).Scan(&value)
	return value, err
}

// Sweep frees what has expired, as the sweeper does from time to time.
func Sweep(d driver.Store) error { return d.(*engine).sweepOnce() }

// Waiting reports whether a write waits for the file's write lock.
func Waiting(d driver.Store) bool { return d.(*engine).locking.Load() }

// ExpireBatch is the most records that are freed in one transaction.
const ExpireBatch = expireBatch
