// Package store is the portable store of versioned records: get, put,
// compare-and-set, ordered ranges, expiry, and batches within one partition. The kernel's
// services and app import it; other services keep their state with the kernel or
// in databases of their own (adapters).
//
// A *Store is a connection to one engine through a driver (sqlitestore for the
// embedded default). Records live in tables, which need no creation; in a table they are
// found by partition key and, within the partition, by an ordered clustering key. Model data so
// that what is read together shares a partition, and that no
// partition grows without bounds: there are no joins, no scans over partitions
// and no secondary indexes.
//
// # Contracts
//
// Durability: what a write acknowledged is on disk, and survives the crash of the process
// and of the machine. Reads and writes of one partition are linearizable, on all connections.
//
// Revisions: every write gives its record a new one. The revisions of one key
// grow and are never used again, not even after the record was deleted or
// expired. Revisions of different keys cannot be compared.
//
// Expiry: a record written with TTL is not found once its time has passed. A write
// without TTL makes the record stay for good.
//
// Errors are faults (package fault) whose reasons are the constants below. NotFound and
// Conflict speak of records, BadRequest of the arguments. Unavailable and Timeout mean that
// the engine did not serve: a write may or may not have been applied, but never in
// part. Nothing is retried behind the caller's back. Messages name operation and table;
// keys are in the operator's detail only, as they may name people.
//
// Everything is safe for concurrent use. Slices passed in are not kept; those returned
// belong to the caller.
package store

import (
	"context"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store/driver"
)

// The limits of records.
const (
	MaxKey   = driver.MaxKey   // bytes of a partition key, which has at least one, and of a clustering key, which may be empty
	MaxValue = driver.MaxValue // bytes of one value
	MaxOps   = driver.MaxOps   // operations of one batch
	MaxBatch = driver.MaxBatch // bytes of all values of one batch
	MinTTL   = driver.MinTTL
	MaxTTL   = driver.MaxTTL
)

// Store is a connection to an engine. Make one with New.
type Store struct{ driver driver.Store }

// New puts the portable interface on top of a driver. The Store owns the driver
// and closes it.
func New(d driver.Store) *Store { return &Store{d} }

// Table returns a table. It needs no creation. A name that is not
// [a-z][a-z0-9_]* or longer than 48 bytes is a mistake in the program: Table panics.
func (s *Store) Table(name string) *Table {
	if err := checkTable(name); err != nil {
		panic(err.Error())
	}
	return &Table{s.driver, name}
}

// Check tells whether the engine could serve reads and writes now. It writes nothing.
func (s *Store) Check(ctx context.Context) error {
	if err := s.driver.Check(ctx); err != nil {
		return opError("check", "", "", err)
	}
	return nil
}

// Close lets calls under way finish within ctx and closes the driver. Later calls are
// Unavailable. Closing twice is no error.
func (s *Store) Close(ctx context.Context) error {
	if err := s.driver.Close(ctx); err != nil {
		return opError("close", "", "", err)
	}
	return nil
}

// Key finds a record in its table: any UTF-8 without NUL, at most MaxKey bytes
// each. Partition has at least one byte. Clustering keys are ordered bytewise.
type Key struct{ Partition, Clustering string }

// Record is one record as it was at Revision.
type Record struct {
	Key      Key
	Value    []byte
	Revision uint64
	Expires  time.Time // zero: never
}

// Table is one table of a Store. Make one with Store.Table.
type Table struct {
	driver driver.Store
	name   string
}

// Get returns the record at key, or NotFound.
func (t *Table) Get(ctx context.Context, key Key) (Record, error) {
	if err := checkKey("get", key); err != nil {
		return Record{}, err
	}
	r, err := t.driver.Get(ctx, t.partition(key.Partition), key.Clustering)
	if err != nil {
		return Record{}, t.keyError("get", key, err)
	}
	return record(key.Partition, r), nil
}

// Put writes a record, whatever the key held before.
func (t *Table) Put(ctx context.Context, key Key, value []byte, opts ...WriteOption) (Record, error) {
	return t.write(ctx, key, PutOp(key.Clustering, value, opts...))
}

// Create writes a record where there is none. Otherwise it returns Conflict (ReasonExists).
func (t *Table) Create(ctx context.Context, key Key, value []byte, opts ...WriteOption) (Record, error) {
	return t.write(ctx, key, CreateOp(key.Clustering, value, opts...))
}

// CompareAndSet writes a record if the one that is there is at the given
// revision. Otherwise it returns Conflict (ReasonConflict; CurrentRevision tells which it is at), or
// NotFound where there is none.
func (t *Table) CompareAndSet(ctx context.Context, key Key, value []byte, revision uint64, opts ...WriteOption) (Record, error) {
	return t.write(ctx, key, CompareAndSetOp(key.Clustering, value, revision, opts...))
}

// Delete removes the record at key. Where there is none, that is no error.
func (t *Table) Delete(ctx context.Context, key Key) error {
	_, err := t.write(ctx, key, DeleteOp(key.Clustering))
	return err
}

// CompareAndDelete removes the record at key if it is at the given revision.
// Otherwise it returns Conflict, or NotFound where there is none.
func (t *Table) CompareAndDelete(ctx context.Context, key Key, revision uint64) error {
	_, err := t.write(ctx, key, CompareAndDeleteOp(key.Clustering, revision))
	return err
}

// write applies a single operation.
func (t *Table) write(ctx context.Context, key Key, op Op) (Record, error) {
	if err := checkKey(op.name, key); err != nil {
		return Record{}, err
	}
	written, err := t.apply(ctx, key.Partition, op.name, []Op{op})
	if err != nil {
		return Record{}, err
	}
	return written[0], nil
}

func (t *Table) partition(key string) driver.Partition {
	return driver.Partition{Table: t.name, Key: key}
}

func record(partition string, r driver.Record) Record {
	return Record{Key{partition, r.Clustering}, r.Value, r.Revision, r.Expires}
}

// CurrentRevision returns the revision of the record that kept a conditional
// write from being applied. It is false for errors of other kinds, and where there is no record.
func CurrentRevision(err error) (uint64, bool) {
	refused, ok := refusal(err)
	if !ok || refused.Revision == 0 {
		return 0, false
	}
	return refused.Revision, true
}

// IsConflict reports whether a conditional write was not applied because of what
// is, or is not, there: Conflict or NotFound. Read again, and decide anew.
func IsConflict(err error) bool {
	_, refused := refusal(err)
	return refused || fault.Is(err, fault.Conflict)
}
