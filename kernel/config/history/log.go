package history

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/kernel/config/document"
	"github.com/hansom-platform/hansom/store"
)

// The reasons of the faults made here; others come from the store.
const (
	ReasonTooLarge = "kernel.config.too_large"        // BadRequest: a change is larger than an entry may be
	ReasonUnknown  = "kernel.config.outcome_unknown"  // Unavailable: the store did not say whether a change was applied
	ReasonBusy     = "kernel.config.busy"             // Unavailable: others always were quicker
	ReasonDamaged  = "kernel.config.damaged"          // Internal: the store holds what was never written
	ReasonNoSuch   = "kernel.config.no_such_revision" // BadRequest
)

// bucket is how many entries share a partition.
const bucket = 1000

// Log is one writer and reader of the history. Make one with Open.
type Log struct {
	table *store.Table
	log   *slog.Logger
	cache *cache

	mu        sync.Mutex // of whoever changes state: by appending or by catching up
	state     atomic.Pointer[State]
	moved     atomic.Pointer[chan struct{}] // closed and replaced when state is
	snapshots uint64                        // revision of the newest snapshot known; under mu
}

// Open reads the history in a table of the store, which it may share with others.
func Open(ctx context.Context, table *store.Table, logger *slog.Logger) (*Log, error) {
	l := &Log{table: table, log: logger, cache: newCache()}
	l.moved.Store(new(make(chan struct{})))
	from, err := l.load(ctx)
	if err != nil {
		return nil, err
	}
	l.snapshots = from.Revision
	l.state.Store(from)
	if _, err := l.CatchUp(ctx); err != nil {
		return nil, err
	}
	return l, nil
}

// State returns the newest state known here.
func (l *Log) State() *State { return l.state.Load() }

// Moved returns a channel that is closed once there is a newer state than State returns after the call.
func (l *Log) Moved() <-chan struct{} { return *l.moved.Load() }

// advance takes over an entry, the next. mu must be held.
func (l *Log) advance(e *Entry) *State {
	next := l.state.Load().apply(e)
	l.state.Store(next)
	l.cache.put(e)
	close(*l.moved.Swap(new(make(chan struct{}))))
	return next
}

// CatchUp reads what others appended and returns the state then: at least as new as
// whatever was acknowledged to anybody before the call.
func (l *Log) CatchUp(ctx context.Context) (*State, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.catchUp(ctx)
}

func (l *Log) catchUp(ctx context.Context) (*State, error) {
	for {
		s := l.state.Load()
		at := key(s.Revision + 1)
		for r, err := range l.table.All(ctx, at.Partition, store.Range{From: at.Clustering}) {
			if err != nil {
				return nil, err
			}
			if r.Key != key(s.Revision+1) {
				return nil, damaged(s.Revision+1, "the entry is missing, and there is one after it: %s", r.Key.Clustering)
			}
			e, err := l.decode(ctx, s.Revision+1, r.Value)
			if err != nil {
				return nil, err
			}
			s = l.advance(e)
		}
		if key(s.Revision+1).Partition == at.Partition {
			return s, nil
		}
	}
}

// Append appends the edits that decide makes of the newest state, and returns the
// state with them. It is called again where others were quicker. Its error
// is returned once it is about the state that the store holds. Without any edits nothing is appended.
//
// An error with ReasonUnknown means that the change may or may not be applied.
func (l *Log) Append(ctx context.Context, author, message string, decide func(*State) ([]Edit, error)) (*State, *Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	const attempts = 1000
	for range attempts {
		s := l.state.Load()
		edits, err := decide(s)
		if err != nil || len(edits) == 0 {
			newest, failed := l.catchUp(ctx)
			if failed != nil {
				return nil, nil, failed
			}
			if newest == s {
				return s, nil, err
			}
			continue
		}
		e := newEntry(s, author, message, edits)
		applied, err := l.write(ctx, e)
		if err != nil {
			return nil, nil, err
		}
		if applied {
			return l.advance(e), e, nil
		}
		if _, err := l.catchUp(ctx); err != nil {
			return nil, nil, err
		}
	}
	return nil, nil, fault.New(fault.Unavailable, ReasonBusy, "others were quicker %d times in a row; try again", attempts)
}

func newEntry(s *State, author, message string, edits []Edit) *Entry {
	e := &Entry{
		Key: uuid.Must(uuid.NewV7()).String(), Revision: s.Revision + 1,
		Author: author, Message: message, At: time.Now().UTC(), Edits: make([]Edit, len(edits)),
	}
	for i, edit := range edits {
		var was *Origin
		before := document.Absent
		if d := s.Get(edit.ID); d.Live() {
			was, before = d.Origin, d.Value
		}
		e.Edits[i] = Edit{edit.ID, edit.Value, was.next(before, edit.Value, e.Revision)}
	}
	return e
}

// write puts an entry at its place, and reports false when another one is there.
func (l *Log) write(ctx context.Context, e *Entry) (bool, error) {
	record, err := l.encode(ctx, e)
	if err != nil {
		return false, err
	}
	const attempts = 3
	for range attempts {
		_, err = l.table.Create(ctx, key(e.Revision), record)
		if err == nil || !fault.Is(err, fault.Conflict) && !uncertain(err) {
			return err == nil, err
		}
		there, found, failed := l.readBack(ctx, e.Revision)
		switch {
		case failed != nil:
			return false, fault.Wrap(err, fault.Unavailable, ReasonUnknown,
				"the store did not say whether revision %d was written; look at the history before trying again", e.Revision)
		case found && there == e.Key:
			return true, nil
		case found:
			return false, nil
		}
	}
	return false, err
}

// uncertain reports whether a write that failed so may have been applied.
func uncertain(err error) bool {
	return fault.Is(err, fault.Unavailable) || fault.Is(err, fault.Timeout)
}

// readBack returns the unique key of the entry at a revision, although the
// writer's own time may be up.
func (l *Log) readBack(ctx context.Context, revision uint64) (string, bool, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	r, err := l.table.Get(ctx, key(revision))
	if fault.Is(err, fault.NotFound) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	var s storedEntry
	if err := json.Unmarshal(r.Value, &s); err != nil {
		return "", false, damaged(revision, "%v", err)
	}
	return s.Key, true, nil
}

// key returns where the entry of a revision is.
func key(revision uint64) store.Key {
	return store.Key{Partition: fmt.Sprintf("log/%d", (revision-1)/bucket), Clustering: fmt.Sprintf("%020d", revision)}
}

func damaged(revision uint64, format string, args ...any) error {
	return fault.New(fault.Internal, ReasonDamaged, "revision %d of the configuration's history cannot be read; restore the store from a backup", revision).
		WithDetail(format, args...)
}
