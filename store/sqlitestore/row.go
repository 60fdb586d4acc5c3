package sqlitestore

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/hansom-platform/hansom/store/driver"
)

// castagnoli is CRC-32C, for which processors have an instruction.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// row is one record as it lies in the file.
type row struct {
	clustering string
	revision   uint64
	expires    int64
	sum        int64
	value      []byte
}

// checksum covers the whole row and where it belongs. SQLite itself does not notice
// that a byte of its content has changed.
func (r row) checksum(at driver.Partition) int64 {
	var buf [128]byte
	b := buf[:0]
	for _, s := range []string{at.Table, at.Key, r.clustering} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	b = binary.BigEndian.AppendUint64(b, r.revision)
	b = binary.BigEndian.AppendUint64(b, uint64(r.expires))
	return int64(crc32.Update(crc32.Checksum(b, castagnoli), castagnoli, r.value))
}

func (r row) check(at driver.Partition) error {
	if want := r.checksum(at); want != r.sum {
		return fmt.Errorf("record %q %q %q at revision %d does not match its checksum", at.Table, at.Key, r.clustering, r.revision)
	}
	return nil
}

func (r row) record() driver.Record {
	return driver.Record{Clustering: r.clustering, Value: r.value, Revision: r.revision, Expires: fromMillis(r.expires)}
}

// expiry returns when a record written now with a ttl expires, in milliseconds, rounded up.
func expiry(now time.Time, ttl time.Duration) int64 {
	if ttl == 0 {
		return 0
	}
	return now.Add(ttl + time.Millisecond - 1).UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// counterSum guards the counter as checksum does rows.
func counterSum(revision uint64) int64 {
	return int64(crc32.Checksum(binary.BigEndian.AppendUint64([]byte("counter"), revision), castagnoli))
}

// querier is a connection or a pool of them.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

const selectCounter = "SELECT revision, sum FROM counter WHERE id = 1"

// readCounter returns the revision last given to any record.
func readCounter(ctx context.Context, q querier) (uint64, error) {
	return scanCounter(q.QueryRowContext(ctx, selectCounter))
}
