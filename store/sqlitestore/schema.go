package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store/driver"
)

// What SQLite keeps in a file's header to tell whose it is, and in which format.
const (
	applicationID = 0x48614e73 // "HaNs"
	formatVersion = 1
)

// schema is format 1. Keys are blobs, so that their order is bytewise. The
// value comes last, so that all else is on the tree's own page also where the
// value takes others. Of a partition, records lie side by side.
//
// The counter is the revision last given to any record; it outlives them. Expires
// is in Unix milliseconds, 0 for never.
var schema = fmt.Sprintf(`
CREATE TABLE records (
	tbl        TEXT    NOT NULL,
	part       BLOB    NOT NULL,
	clustering BLOB    NOT NULL,
	revision   INTEGER NOT NULL,
	expires    INTEGER NOT NULL,
	sum        INTEGER NOT NULL,
	value      BLOB    NOT NULL,
	PRIMARY KEY (tbl, part, clustering)
) STRICT, WITHOUT ROWID;
CREATE INDEX expiring ON records (expires) WHERE expires > 0;
CREATE TABLE counter (
	id       INTEGER PRIMARY KEY CHECK (id = 1),
	revision INTEGER NOT NULL,
	sum      INTEGER NOT NULL
) STRICT;
INSERT INTO counter VALUES (1, 0, %d);
PRAGMA application_id = %d;
PRAGMA user_version = %d;
`, counterSum(0), applicationID, formatVersion)

// adopt makes sure that the file is ours, and makes an empty one so.
func (e *engine) adopt(ctx context.Context, conn *sql.Conn) error {
	var fresh bool
	err := e.retryBusy(ctx, func() (err error) {
		if _, err := conn.ExecContext(ctx, "BEGIN"); err != nil { // others may be making it
			return err
		}
		defer rollback(ctx, conn)
		fresh, err = e.identify(ctx, conn)
		return err
	})
	if err != nil {
		return err
	}
	if err := e.useWAL(ctx, conn); err != nil {
		return err
	}
	if err := e.limitSize(ctx, conn); err != nil {
		return err
	}
	if !fresh {
		return nil
	}
	return e.retryBusy(ctx, func() error { return e.create(ctx, conn) })
}

// identify reads the file's header. It reports whether the file is empty, and
// fails if it belongs to somebody else.
func (e *engine) identify(ctx context.Context, conn *sql.Conn) (fresh bool, err error) {
	var id, version, objects int64
	for _, q := range []struct {
		query string
		to    *int64
	}{
		{"PRAGMA application_id", &id}, {"PRAGMA user_version", &version}, {"SELECT count(*) FROM sqlite_schema", &objects},
	} {
		if err := conn.QueryRowContext(ctx, q.query).Scan(q.to); err != nil {
			return false, err
		}
	}
	switch {
	case id == 0 && version == 0 && objects == 0:
		return true, nil
	case id != applicationID:
		return false, fault.New(fault.Unavailable, driver.ReasonForeign,
			"%s is the database of another program (application id %#x); it was left as it is. Name another file", e.path, id)
	case version != formatVersion:
		return false, fault.New(fault.Unavailable, driver.ReasonForeign,
			"%s has format %d, and this program knows format %d; it was left as it is. Run the version that wrote it, or restore an older backup",
			e.path, version, formatVersion)
	}
	return false, nil
}

// useWAL switches the file to the write-ahead log, which it then keeps.
func (e *engine) useWAL(ctx context.Context, conn *sql.Conn) error {
	var mode string
	err := e.retryBusy(ctx, func() error {
		return conn.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode)
	})
	if err != nil {
		return err
	}
	if mode != "wal" {
		return fault.New(fault.Unavailable, driver.ReasonIO,
			"%s: SQLite cannot keep a write-ahead log there (journal mode %q); name a file on a local disk", e.path, mode)
	}
	_, err = conn.ExecContext(ctx, "PRAGMA journal_size_limit = 67108864")
	return err
}

// create lays out an empty file in one step, unless another process was faster.
func (e *engine) create(ctx context.Context, conn *sql.Conn) error {
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	fresh, err := e.identify(ctx, conn)
	if err == nil && fresh {
		_, err = conn.ExecContext(ctx, schema)
	}
	if err == nil {
		_, err = conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		rollback(ctx, conn)
	}
	return err
}

// rollback ends a transaction that only read, or failed: the first error tells.
func rollback(ctx context.Context, conn *sql.Conn) {
	_, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
}

// verify reads the whole file for damage if it is not too large: its structure,
// and all records against their checksums.
func (e *engine) verify(ctx context.Context) error {
	conn := e.write.conn
	return e.retryBusy(ctx, func() error {
		if _, err := conn.ExecContext(ctx, "BEGIN"); err != nil {
			return err
		}
		defer rollback(ctx, conn)
		var pages int64
		if err := conn.QueryRowContext(ctx, "PRAGMA page_count").Scan(&pages); err != nil {
			return err
		}
		if pages*pageSize > e.verifyUp {
			return nil
		}
		return errors.Join(e.verifyStructure(ctx, conn), e.verifyRecords(ctx, conn))
	})
}

func (e *engine) verifyStructure(ctx context.Context, conn *sql.Conn) error {
	var verdict string
	if err := conn.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return e.corruptFault(errors.New(verdict))
	}
	return nil
}

func (e *engine) verifyRecords(ctx context.Context, conn *sql.Conn) error {
	last, err := readCounter(ctx, conn)
	if err != nil {
		return e.fault(err)
	}
	rows, err := conn.QueryContext(ctx, "SELECT tbl, part, clustering, revision, expires, sum, value FROM records")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var at driver.Partition
		var r row
		if err := rows.Scan(&at.Table, &at.Key, &r.clustering, &r.revision, &r.expires, &r.sum, &r.value); err != nil {
			return damage{err}
		}
		if err := r.check(at); err != nil {
			return e.corruptFault(err)
		}
		if r.revision > last {
			return e.corruptFault(fmt.Errorf("record %q %q %q is at revision %d, the last one given is %d",
				at.Table, at.Key, r.clustering, r.revision, last))
		}
	}
	return rows.Err()
}
