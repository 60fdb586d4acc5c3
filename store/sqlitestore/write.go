package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/hansom-platform/hansom/store/driver"
)

// statements are those of the connection that writes. Only the committer uses them.
type statements struct {
	conn                    *sql.Conn
	begin, commit, rollback *sql.Stmt
	counter, count          *sql.Stmt
	get, put, del, expire   *sql.Stmt
}

// expireBatch bounds how long the sweeper keeps others waiting.
const expireBatch = 500

const deleteExpired = "DELETE FROM records WHERE (tbl, part, clustering) IN" +
	" (SELECT tbl, part, clustering FROM records WHERE expires > 0 AND expires <= ? LIMIT ?)"

func (s *statements) prepare(ctx context.Context) (err error) {
	for _, p := range []struct {
		to    **sql.Stmt
		query string
	}{
		{&s.begin, "BEGIN IMMEDIATE"},
		{&s.commit, "COMMIT"},
		{&s.rollback, "ROLLBACK"},
		{&s.counter, selectCounter},
		{&s.count, "UPDATE counter SET revision = ?, sum = ? WHERE id = 1"},
		{&s.get, selectRecord},
		{&s.put, "INSERT INTO records (tbl, part, clustering, revision, expires, sum, value) VALUES (?, ?, ?, ?, ?, ?, ?)" +
			" ON CONFLICT DO UPDATE SET revision = excluded.revision, expires = excluded.expires, sum = excluded.sum, value = excluded.value"},
		{&s.del, "DELETE FROM records WHERE tbl = ? AND part = ? AND clustering = ?"},
		{&s.expire, deleteExpired},
	} {
		if *p.to != nil {
			continue // prepared before the file was found locked
		}
		if *p.to, err = s.conn.PrepareContext(ctx, p.query); err != nil { //nolint:sqlclosecheck // close does
			return err
		}
	}
	return nil
}

// close closes the connection, and its statements with it.
func (s *statements) close() error {
	var errs []error
	for _, stmt := range []*sql.Stmt{s.begin, s.commit, s.rollback, s.counter, s.count, s.get, s.put, s.del, s.expire} {
		if stmt != nil {
			errs = append(errs, stmt.Close())
		}
	}
	return errors.Join(append(errs, s.conn.Close())...)
}

// transaction is one transaction of the committer. Its statements run without a
// context: it carries the writes of many callers, none of whom may interrupt the others.
type transaction struct {
	*statements
	now      time.Time
	revision uint64 // last given
	counted  uint64 // what the file's counter says
}

func (e *engine) newTransaction() (*transaction, error) {
	last, err := scanCounter(e.write.counter.QueryRowContext(context.Background()))
	if err != nil {
		return nil, err
	}
	return &transaction{statements: e.write, now: e.now(), revision: last, counted: last}, nil
}

// apply does operations if all their conditions hold, or returns *driver.Refused.
func (t *transaction) apply(at driver.Partition, ops []driver.Op) ([]driver.Record, error) {
	for i, op := range ops {
		if op.If.Always() {
			continue
		}
		revision, err := t.current(at, op.Clustering)
		if err != nil {
			return nil, err
		}
		if !op.If.Holds(revision) {
			return nil, &driver.Refused{Op: i, Revision: revision}
		}
	}
	written := make([]driver.Record, len(ops))
	for i, op := range ops {
		r, err := t.do(at, op)
		if err != nil {
			return nil, err
		}
		written[i] = r
	}
	return written, nil
}

// current returns the revision of a record, 0 where there is none.
func (t *transaction) current(at driver.Partition, clustering string) (uint64, error) {
	r, err := queryRecord(context.Background(), t.get, at, clustering, t.now.UnixMilli())
	if errors.Is(err, errNoRecord) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if err := r.check(at); err != nil {
		return 0, damage{err}
	}
	return r.revision, nil
}

func (t *transaction) do(at driver.Partition, op driver.Op) (driver.Record, error) {
	if op.Delete {
		_, err := t.del.ExecContext(context.Background(), at.Table, []byte(at.Key), []byte(op.Clustering))
		return driver.Record{Clustering: op.Clustering}, err
	}
	t.revision++
	r := row{clustering: op.Clustering, revision: t.revision, expires: expiry(t.now, op.TTL), value: op.Value}
	_, err := t.put.ExecContext(context.Background(), at.Table, []byte(at.Key), []byte(r.clustering),
		int64(r.revision), r.expires, r.checksum(at), r.value)
	written := r.record()
	written.Value = nil // the caller has it
	return written, err
}

// finish writes the counter and commits. What it wrote is then on disk.
func (t *transaction) finish() error {
	if t.revision != t.counted {
		if _, err := t.count.ExecContext(context.Background(), int64(t.revision), counterSum(t.revision)); err != nil {
			return err
		}
	}
	_, err := t.commit.ExecContext(context.Background())
	return err
}
