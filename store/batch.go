package store

import (
	"context"
	"slices"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store/driver"
)

// WriteOption configures one write.
type WriteOption interface{ applyWrite(*driver.Op) }

type writeOption func(*driver.Op)

func (f writeOption) applyWrite(op *driver.Op) { f(op) }

// TTL makes the record expire after d, from MinTTL to MaxTTL. Engines may round it
// up to whole seconds.
func TTL(d time.Duration) WriteOption {
	return writeOption(func(op *driver.Op) {
		op.TTL = d
		if d <= 0 {
			op.TTL = -1 // refused: 0 is the driver's word for "stays for good"
		}
	})
}

// Op is one operation of a batch.
type Op struct {
	name string
	op   driver.Op
}

func newOp(name string, op driver.Op, opts []WriteOption) Op {
	for _, o := range opts {
		o.applyWrite(&op)
	}
	return Op{name, op}
}

// PutOp is Table.Put in a batch.
func PutOp(clustering string, value []byte, opts ...WriteOption) Op {
	return newOp("put", driver.Op{Clustering: clustering, Value: value}, opts)
}

// CreateOp is Table.Create in a batch.
func CreateOp(clustering string, value []byte, opts ...WriteOption) Op {
	return newOp("create", driver.Op{Clustering: clustering, Value: value, If: driver.IfAbsent()}, opts)
}

// CompareAndSetOp is Table.CompareAndSet in a batch.
func CompareAndSetOp(clustering string, value []byte, revision uint64, opts ...WriteOption) Op {
	return newOp("compare-and-set",
		driver.Op{Clustering: clustering, Value: value, If: driver.IfRevision(revision)}, opts)
}

// DeleteOp is Table.Delete in a batch.
func DeleteOp(clustering string) Op {
	return newOp("delete", driver.Op{Clustering: clustering, Delete: true}, nil)
}

// CompareAndDeleteOp is Table.CompareAndDelete in a batch.
func CompareAndDeleteOp(clustering string, revision uint64) Op {
	return newOp("compare-and-delete",
		driver.Op{Clustering: clustering, Delete: true, If: driver.IfRevision(revision)}, nil)
}

// Batch applies all operations in one step, or none, within one partition. They are at
// most MaxOps, of different clustering keys, and their values at most MaxBatch bytes together.
// All conditions are judged on the state before the batch. The error
// of a condition that does not hold is that of the single operation.
//
// The result has a record for each operation, in their order; of a deletion only its key is set.
func (t *Table) Batch(ctx context.Context, partition string, ops ...Op) ([]Record, error) {
	if err := checkBatch(partition, ops); err != nil {
		return nil, err
	}
	if len(ops) == 0 {
		return nil, nil
	}
	return t.apply(ctx, partition, "batch", ops)
}

// apply hands operations, whose keys are checked, to the driver.
func (t *Table) apply(ctx context.Context, partition, name string, ops []Op) ([]Record, error) {
	todo := make([]driver.Op, len(ops))
	for i, o := range ops {
		if err := checkOp(o); err != nil {
			return nil, err
		}
		todo[i] = o.op
	}
	written, err := t.driver.Apply(ctx, t.partition(partition), todo)
	if err != nil {
		return nil, t.applyError(name, partition, ops, err)
	}
	records := make([]Record, len(ops))
	for i, o := range ops {
		records[i] = record(partition, written[i])
		if !o.op.Delete {
			records[i].Value = slices.Clone(o.op.Value)
		}
	}
	return records, nil
}

// checkBatch checks what concerns the batch as a whole, and its keys.
func checkBatch(partition string, ops []Op) error {
	if len(ops) > MaxOps {
		return fault.New(fault.BadRequest, ReasonBatch, "store: batch: %d operations; at most %d go into one step", len(ops), MaxOps)
	}
	if err := checkKey("batch", Key{Partition: partition}); err != nil {
		return err
	}
	seen, size := make(map[string]bool, len(ops)), 0
	for _, o := range ops {
		if err := checkKey("batch", Key{partition, o.op.Clustering}); err != nil {
			return err
		}
		if seen[o.op.Clustering] {
			return fault.New(fault.BadRequest, ReasonBatch, "store: batch: two operations on one key; merge them into one").
				WithDetail("clustering key %q", o.op.Clustering)
		}
		seen[o.op.Clustering] = true
		size += len(o.op.Value)
	}
	if size > MaxBatch {
		return fault.New(fault.BadRequest, ReasonBatch, "store: batch: %d bytes of values; at most %d go into one step", size, MaxBatch)
	}
	return nil
}
