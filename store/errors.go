package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store/driver"
)

// The reasons of the faults that this package returns.
const (
	ReasonNotFound = driver.ReasonNotFound // NotFound: there is no record
	ReasonExists   = "store.exists"        // Conflict: there is a record already
	ReasonConflict = "store.conflict"      // Conflict: the record is at another revision

	ReasonKey      = "store.key"      // BadRequest: no valid key
	ReasonValue    = "store.value"    // BadRequest: the value is too large
	ReasonTTL      = "store.ttl"      // BadRequest
	ReasonRevision = "store.revision" // BadRequest: revision 0
	ReasonBatch    = "store.batch"    // BadRequest: too many operations, or two on one key
	ReasonRange    = "store.range"    // BadRequest: a bad limit
	ReasonContinue = "store.continue" // BadRequest: a continuation that is not of this range

	ReasonClosed   = driver.ReasonClosed   // Unavailable: Close was called on this side
	ReasonTimeout  = driver.ReasonTimeout  // Timeout: the engine did not answer in time
	ReasonLocked   = driver.ReasonLocked   // Unavailable: somebody else holds the engine's lock for writing
	ReasonFull     = driver.ReasonFull     // Unavailable: no space is left; reads go on
	ReasonCorrupt  = driver.ReasonCorrupt  // Unavailable: what is stored contradicts itself
	ReasonReadOnly = driver.ReasonReadOnly // Unavailable: this process may not write there
	ReasonMoved    = driver.ReasonMoved    // Unavailable: the file is no longer where it was opened
	ReasonForeign  = driver.ReasonForeign  // Unavailable: what is stored is not ours, or of a newer version
	ReasonIO       = driver.ReasonIO       // Unavailable: the operating system refused to read or write
)

// opError names the operation and its table, keeps the driver's code and reason, and adds the key for operators.
func opError(op, table, key string, err error) error {
	subject := strings.TrimSpace("store: " + op + " " + table)
	f := fault.From(err)
	reason := f.Reason
	if !strings.HasPrefix(reason, "store.") {
		reason = "store." + reason
	}
	if errors.Is(err, context.DeadlineExceeded) {
		reason = ReasonTimeout
	}
	made := fault.Wrap(err, f.Code, reason, "%s: %s", subject, f.Message)
	made.Detail = strings.TrimSpace(key + " " + f.Detail)
	return made
}

func (t *Table) keyError(op string, key Key, err error) error {
	return opError(op, t.name, describe(key), err)
}

func describe(key Key) string { return fmt.Sprintf("key %q %q", key.Partition, key.Clustering) }

// applyError makes the fault of an Apply: that of the operation whose condition
// does not hold, or the engine's own.
func (t *Table) applyError(name, partition string, ops []Op, err error) error {
	refused, ok := refusal(err)
	if !ok || refused.Op < 0 || refused.Op >= len(ops) {
		key := Key{Partition: partition}
		if len(ops) == 1 {
			key.Clustering = ops[0].op.Clustering
		}
		return t.keyError(name, key, err)
	}
	op := ops[refused.Op]
	if name == "batch" {
		name = fmt.Sprintf("batch: operation %d: %s", refused.Op, op.name)
	}
	return t.refusedError(name, Key{partition, op.op.Clustering}, op.op.If, refused)
}

func (t *Table) refusedError(name string, key Key, cond driver.Condition, refused *driver.Refused) error {
	code, reason, message := fault.Conflict, ReasonConflict, "the record is at another revision; read it again"
	switch {
	case refused.Revision == 0:
		code, reason, message = fault.NotFound, ReasonNotFound, "there is no such record"
	case cond.Revision() == 0:
		reason, message = ReasonExists, "there is such a record already"
	}
	return fault.Wrap(refused, code, reason, "store: %s %s: %s", name, t.name, message).
		WithDetail("%s: expected revision %d, current revision %d", describe(key), cond.Revision(), refused.Revision)
}

func refusal(err error) (*driver.Refused, bool) {
	var refused *driver.Refused
	ok := errors.As(err, &refused)
	return refused, ok
}
