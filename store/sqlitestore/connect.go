package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"sync"
	"time"

	"modernc.org/sqlite"
)

// busyTimeout is how long SQLite waits for a lock before it says so. It is
// short, as longer waits are ours: they end with the calls that wait.
const busyTimeout = 50 * time.Millisecond

// maxReaders is the number of reads at one time.
const maxReaders = 8

// pageSize is SQLite's default.
const pageSize = 4096

// processWide makes SQLite's switches that hold for the whole process. OFD locks are not
// given up when some other code of the process opens and closes the file (to
// back it up, say). fdatasync is as durable as fsync and halves a commit. Where the system
// lacks them, SQLite's defaults do.
var processWide = sync.OnceFunc(func() {
	_, _ = sqlite.OFDLocking(true)
	_, _ = sqlite.Fdatasync(true)
})

// pool opens connections with the given PRAGMAs.
func (e *engine) pool(size int, pragmas ...string) (*sql.DB, error) {
	processWide()
	q := url.Values{"_defensive": {"1"}, "_dqs": {"0"}, "mode": {"rw"}, "_pragma": append(pragmas,
		fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()),
		"cache_size(-8000)", "cell_size_check(1)", "trusted_schema(0)",
	)}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: e.path, RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db, nil
}

// connectWriter opens the one connection that writes, and makes sure that the
// file is ours.
func (e *engine) connectWriter(ctx context.Context) (err error) {
	if e.writer, err = e.pool(1, "synchronous(FULL)"); err != nil {
		return err
	}
	conn, err := e.writerConn(ctx)
	if err != nil {
		return err
	}
	e.write = &statements{conn: conn}
	if err := e.adopt(ctx, conn); err != nil {
		return err
	}
	return e.retryBusy(ctx, func() error { return e.write.prepare(ctx) })
}

func (e *engine) writerConn(ctx context.Context) (conn *sql.Conn, err error) {
	err = e.retryBusy(ctx, func() error {
		conn, err = e.writer.Conn(ctx)
		return err
	})
	return conn, err
}

func (e *engine) connectReaders(ctx context.Context) (err error) {
	if e.readers, err = e.pool(maxReaders, "query_only(1)"); err != nil {
		return err
	}
	for _, p := range []struct {
		to    **sql.Stmt
		query string
	}{
		{&e.get, selectRecord}, {&e.scan[0], selectForward}, {&e.scan[1], selectReverse}, {&e.overdue, selectOverdue},
	} {
		err := e.retryBusy(ctx, func() error {
			*p.to, err = e.readers.PrepareContext(ctx, p.query) //nolint:sqlclosecheck // disconnect does
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// disconnect closes whatever is open. The last connection of all that have the
// file open folds the write-ahead log into it.
func (e *engine) disconnect() error {
	var errs []error
	for _, stmt := range []*sql.Stmt{e.get, e.scan[0], e.scan[1], e.overdue} {
		if stmt != nil {
			errs = append(errs, stmt.Close())
		}
	}
	if e.readers != nil {
		errs = append(errs, e.readers.Close())
	}
	if e.write != nil {
		errs = append(errs, e.write.close())
	}
	if e.writer != nil {
		errs = append(errs, e.writer.Close())
	}
	return errors.Join(errs...)
}

// retryBusy repeats f while the file is locked and there is time. When that runs
// out it returns the error that tells of the lock.
func (e *engine) retryBusy(ctx context.Context, f func() error) error {
	var busy error
	for {
		err := f()
		if ctx.Err() != nil && busy != nil && err != nil {
			return busy
		}
		if !isBusy(err) || ctx.Err() != nil {
			return err
		}
		busy = err
		wait := time.NewTimer(2 * time.Millisecond) // SQLite does not wait for every kind of lock by itself
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return err
		}
	}
}

// limitSize applies MaxBytes, which SQLite keeps per connection.
func (e *engine) limitSize(ctx context.Context, conn *sql.Conn) error {
	if e.maxBytes <= 0 {
		return nil
	}
	_, err := conn.ExecContext(ctx, "PRAGMA max_page_count = "+strconv.FormatInt(max(1, e.maxBytes/pageSize), 10))
	return err
}
