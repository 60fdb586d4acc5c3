// Package driver is what an engine must offer to carry package store. Only
// drivers and package store import it; everyone else uses *store.Store.
//
// # The model
//
// Tables hold partitions, partitions hold records ordered by their clustering
// key. A table needs no creation and has no other property than its name. The
// pair of table and partition key says where records live: all records of one
// partition live together (one row group of SQLite's tree; one replica set of
// Cassandra), and nothing is promised across partitions. Every call names
// exactly one partition. There are no joins, no scans over partitions and no
// secondary indexes.
//
// Clustering keys are ordered bytewise. Package store validates names, keys, values, ttls
// and limits (the constants below) before it calls a driver. Keys are valid
// UTF-8 without NUL; the bounds of a Span are any bytes. Values are any bytes; an
// empty value and a nil one are the same.
//
// Every write gives its record a new revision, which is never 0. The revisions of
// one key (table, partition, clustering) grow with each write and are never used
// again: not after a delete, not after an expiry, not after a restart or a crash. Revisions
// of different keys say nothing to each other. (SQLite: one counter in the
// file. Cassandra: a hybrid clock kept ahead of the stored revision by the same
// lightweight transaction that writes.)
//
// A record with a ttl is absent once its Expires has passed by the engine's
// clock, for reads and conditions alike; when its bytes are freed is the engine's
// affair. Expires may be rounded up to the next second, never down. A write
// without a ttl makes the record stay for good, also where the one it replaces had a ttl.
//
// # Contract of all calls
//
//   - Every method may be called concurrently with every other.
//   - A call blocks until the engine answered or its context ended, and at most for the driver's
//     own default timeout (about 5 s) if the context has no deadline. A context that has ended
//     before the call keeps it from reaching the engine.
//   - What Apply acknowledged is durable: it survives the crash of the process and of the
//     machine (SQLite: fsynced; Cassandra: in the commit logs of a quorum).
//   - Writes are never repeated by package store, nor by a driver once they may have been
//     applied, so that a conditional write cannot meet itself. A write that failed with
//     Unavailable or Timeout may have been applied, then or later,
//     at most once and never in part.
//   - Reads and writes of one partition are linearizable: a read that starts after a write
//     returned, on any connection, sees it. (Cassandra: SERIAL reads.)
//   - Byte slices handed in are not kept; those handed out belong to the receiver.
//   - Errors are faults (package fault) with the reasons of this package where one fits, or
//     *Refused: NotFound, BadRequest, Unavailable, Timeout, Internal. Messages need not
//     name operation and key: package store does. They do name the engine's own subject (a file, a
//     node) and the remedy.
//   - No method starts goroutines that outlive Store.Close.
package driver

import (
	"context"
	"time"
)

// The limits of what package store hands to a driver.
const (
	MaxKey   = 512     // bytes of a partition key, which has at least one, and of a clustering key, which may be empty
	MaxTable = 48      // bytes of a table's name, [a-z][a-z0-9_]*
	MaxValue = 1 << 20 // bytes of one value
	MaxOps   = 100     // operations of one Apply
	MaxBatch = 4 << 20 // bytes of all values of one Apply
	MaxLimit = 1000    // records of one Range

	MinTTL = time.Second
	MaxTTL = 20 * 365 * 24 * time.Hour // Cassandra's
)

// PageBytes is about how many bytes of values a Range returns before it stops
// short of its limit, so that a page of large records does not fill the memory.
const PageBytes = 4 << 20

// Partition says where records live.
type Partition struct{ Table, Key string }

// Record is one record of a partition as it was at Revision.
type Record struct {
	Clustering string
	Value      []byte
	Revision   uint64
	Expires    time.Time // zero: never
}

// Store is a connection to an engine.
type Store interface {
	// Get returns a record, or NotFound.
	Get(ctx context.Context, at Partition, clustering string) (Record, error)

	// Apply does all operations in one step, or none: no reader sees a part of
	// them, nor does a crash leave one. No two are of the same clustering key.
	// All conditions are judged on the state before; if one does not hold,
	// nothing is written and Apply returns *Refused for the first such operation.
	//
	// The result has a record for each operation, in their order. Of a
	// deletion only the Clustering is set. Values need not be filled in: the caller has them.
	Apply(ctx context.Context, at Partition, ops []Op) ([]Record, error)

	// Range returns the records of the span in order, at most span.Limit, and
	// whether there are more in the span. It returns fewer while there are more only
	// where their values pass PageBytes, and always at least one if
	// there is one. A result is the picture of one instant.
	Range(ctx context.Context, at Partition, span Span) (records []Record, more bool, err error)

	// Check asks the engine whether it could serve reads and writes now, without
	// writing. It is cheap enough to be called every second.
	Check(ctx context.Context) error

	// Close lets calls under way finish within the context, then fails them with
	// Unavailable (ReasonClosed), as it does all later ones, and releases what the driver
	// opened. Closing twice is no error.
	Close(ctx context.Context) error
}

// Span is a piece of a partition: clustering keys from From (inclusive) to To
// (exclusive), both bytewise. An empty From is the partition's beginning, an empty To its end.
type Span struct {
	From, To string
	Reverse  bool // from the greatest key down
	Limit    int  // 1 to MaxLimit
}

// Op is one operation of an Apply: it writes a record, or deletes it. Deleting
// what does not exist is no error unless the condition forbids it.
type Op struct {
	Clustering string
	Delete     bool
	Value      []byte
	TTL        time.Duration // 0: stays for good
	If         Condition
}

// Condition is what must hold for an operation to be applied. The zero Condition
// always holds.
type Condition struct {
	conditional bool
	revision    uint64
}

// IfAbsent asks that there is no record.
func IfAbsent() Condition { return Condition{true, 0} }

// IfRevision asks that the record is at exactly this revision, which is not 0.
func IfRevision(revision uint64) Condition { return Condition{true, revision} }

// Always reports whether the condition holds whatever there is.
func (c Condition) Always() bool { return !c.conditional }

// Revision returns the revision asked for, 0 where there must be no record.
// It means nothing where the condition always holds.
func (c Condition) Revision() uint64 { return c.revision }

// Holds judges the condition on a record's revision, 0 where there is none.
func (c Condition) Holds(revision uint64) bool {
	return !c.conditional || c.revision == revision
}
