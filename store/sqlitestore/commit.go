package sqlitestore

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store/driver"
)

// Writes that wait at the same time share one transaction, and so one sync of
// the disk, within these bounds.
const (
	maxGroup      = 128
	maxGroupBytes = 8 << 20
)

// request is one caller's write. It is run within a transaction that others share.
type request struct {
	run   func(*transaction) ([]driver.Record, error)
	bytes int
	taken atomic.Int32 // one of the states below
	done  chan result  // takes one
}

const (
	waiting int32 = iota
	running
	withdrawn // by its caller, before it ran
)

type result struct {
	records []driver.Record
	err     error
}

func newRequest(bytes int, run func(*transaction) ([]driver.Record, error)) *request {
	return &request{run: run, bytes: bytes, done: make(chan result, 1)}
}

func (r *request) answer(records []driver.Record, err error) { r.done <- result{records, err} }

// Apply queues the operations for the committer.
func (e *engine) Apply(ctx context.Context, at driver.Partition, ops []driver.Op) ([]driver.Record, error) {
	inner, leave, err := e.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	ops, bytes := slices.Clone(ops), 0
	for i := range ops {
		ops[i].Value = append([]byte{}, ops[i].Value...) // the caller may be gone before it is written
		bytes += len(ops[i].Value)
	}
	return e.submit(ctx, inner, newRequest(bytes, func(t *transaction) ([]driver.Record, error) {
		return t.apply(at, ops)
	}))
}

// submit hands a request to the committer and waits for the answer while there is time.
func (e *engine) submit(ctx, inner context.Context, r *request) ([]driver.Record, error) {
	select {
	case e.queue <- r:
	case <-inner.Done():
		return nil, e.waitedInVain(ctx)
	}
	select {
	case answer := <-r.done:
		return answer.records, answer.err
	case <-inner.Done():
	}
	if r.taken.CompareAndSwap(waiting, withdrawn) {
		return nil, e.waitedInVain(ctx)
	}
	last := time.NewTimer(grace(e.timeout))
	defer last.Stop()
	select {
	case answer := <-r.done:
		return answer.records, answer.err
	case <-last.C:
	case <-ctx.Done():
	}
	return nil, fault.New(fault.Timeout, driver.ReasonTimeout,
		"%s: the disk did not confirm the write in time; it may have been applied. Read again to know", e.path)
}

// waitedInVain tells why a request was not run.
func (e *engine) waitedInVain(ctx context.Context) error {
	err := e.ended(ctx)
	if e.locking.Load() && fault.Is(err, fault.Timeout) {
		return e.lockedFault(errors.New("the write lock was not free in time"))
	}
	return err
}

// commitAll is the committer: the only goroutine that writes.
func (e *engine) commitAll() {
	for {
		select {
		case r := <-e.queue:
			e.commitGroup(e.gather([]*request{r}))
		case <-e.life.Done():
			return
		}
	}
}

// gather adds what waits in the queue to a group, within its bounds.
func (e *engine) gather(group []*request) []*request {
	bytes := 0
	for _, r := range group {
		bytes += r.bytes
	}
	for len(group) < maxGroup && bytes < maxGroupBytes {
		select {
		case r := <-e.queue:
			group = append(group, r)
			bytes += r.bytes
		default:
			return group
		}
	}
	return group
}

// commitGroup answers all requests of a group that are not withdrawn meanwhile.
func (e *engine) commitGroup(group []*request) {
	for {
		err := e.begin()
		if err == nil {
			break
		}
		if !isBusy(err) {
			e.failAll(take(group), err)
			return
		}
		group = slices.DeleteFunc(group, func(r *request) bool { return r.taken.Load() == withdrawn })
		if len(group) == 0 || e.life.Err() != nil { // then all callers withdraw
			return
		}
		group = e.gather(group)
	}
	group = take(group)
	committing, err := e.runGroup(group)
	if err == nil {
		return
	}
	_, _ = e.write.rollback.ExecContext(context.Background()) // SQLite may have done so itself
	if committing || len(group) == 1 {
		e.failAll(group, err)
		return
	}
	// One of them failed, before anything was committed: it must not fail the others.
	for _, r := range group {
		r.taken.Store(waiting)
		e.commitGroup([]*request{r})
	}
}

// begin takes the write lock.
func (e *engine) begin() error {
	if err := e.unmoved(); err != nil {
		return err
	}
	e.locking.Store(true)
	_, err := e.write.begin.ExecContext(context.Background())
	e.locking.Store(isBusy(err))
	return err
}

// take returns the requests of a group that their callers can no longer withdraw.
func take(group []*request) []*request {
	return slices.DeleteFunc(group, func(r *request) bool { return !r.taken.CompareAndSwap(waiting, running) })
}

// runGroup runs all requests in the transaction that has begun, commits, and answers
// them. If it fails it answers none, and tells whether it was the commit that failed.
func (e *engine) runGroup(group []*request) (committing bool, err error) {
	t, err := e.newTransaction()
	if err != nil {
		return false, err
	}
	results := make([]result, len(group))
	for i, r := range group {
		records, err := r.run(t)
		var refused *driver.Refused
		if err != nil && !errors.As(err, &refused) {
			return false, err
		}
		results[i] = result{records, err}
	}
	if err := t.finish(); err != nil {
		return true, err
	}
	for i, r := range group {
		r.done <- results[i]
	}
	return false, nil
}

func (e *engine) failAll(group []*request, err error) {
	err = e.fault(err)
	for _, r := range group {
		r.answer(nil, err)
	}
}
