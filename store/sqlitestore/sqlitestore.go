// Package sqlitestore keeps a store in one SQLite file: the embedded default. It
// needs nothing installed (SQLite is compiled in, without cgo). Package app opens it; everyone
// else holds a *store.Store.
//
// # What it promises beyond the driver's contract
//
// A write is acknowledged once SQLite has synced its write-ahead log (WAL,
// synchronous=FULL). Writes that wait at the same time are committed together, so that they
// share one sync. Readers never wait for writers.
//
// Several processes of one machine may have the same file open; not over a network
// file system. Somebody who holds the write lock for longer than a call may wait makes it fail with
// store.locked, and nothing of it is applied.
//
// A full disk makes writes fail with store.full; reads go on, and so do writes once there is space.
//
// Every record carries a checksum. A file that is damaged (SQLite's own structure, or a record
// that does not match its checksum) is refused when it is opened, up to
// VerifyBytes; later damage fails the calls that meet it with store.corrupt. Nothing is repaired,
// overwritten or deleted then. A file of another program, or of a newer version
// of this one, is refused and left as it is. So are writes to a file that was moved or deleted
// while it was open.
//
// The file, and the -wal and -shm files beside it that belong to it, are made with mode 0600.
package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store/driver"
)

// VerifyBytes is the size up to which Open reads a whole file to find damage.
// A larger one is checked as it is read.
const VerifyBytes = 64 << 20

// options is what Options configure.
type options struct {
	now      func() time.Time
	sweep    time.Duration
	timeout  time.Duration
	maxBytes int64
	verifyUp int64
	log      *slog.Logger
}

// Option configures a store.
type Option interface{ apply(*options) }

type optionFunc func(*options)

func (f optionFunc) apply(o *options) { f(o) }

// Clock sets what expiry is judged by, by default time.Now. All who have the
// file open must agree on the time.
func Clock(now func() time.Time) Option {
	return optionFunc(func(o *options) { o.now = now })
}

// SweepEvery sets how often the space of expired records is freed, by default every 30 s.
func SweepEvery(d time.Duration) Option {
	return optionFunc(func(o *options) { o.sweep = d })
}

// Timeout bounds calls whose context has no deadline, by default 5 s.
func Timeout(d time.Duration) Option {
	return optionFunc(func(o *options) { o.timeout = d })
}

// MaxBytes bounds the file's size, by default only by the disk. Writes that would exceed it
// fail with store.full. The write-ahead log beside the file is not counted.
func MaxBytes(n int64) Option {
	return optionFunc(func(o *options) { o.maxBytes = n })
}

// Logger sets where the sweeper reports that it failed, by default slog.Default().
func Logger(log *slog.Logger) Option {
	return optionFunc(func(o *options) { o.log = log })
}

// engine is one open file. It implements driver.Store.
type engine struct {
	options
	path string
	file os.FileInfo // as it was when opened

	writer  *sql.DB // one connection, used by the committer only
	write   *statements
	readers *sql.DB
	get     *sql.Stmt
	scan    [2]*sql.Stmt // forward, reverse
	overdue *sql.Stmt

	queue   chan *request
	locking atomic.Bool     // the committer waits for the write lock
	life    context.Context // ends when Close has waited long enough
	end     context.CancelFunc
	work    sync.WaitGroup // committer and sweeper

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup
}

// Open opens the file at path, and makes it where there is none. Its folder must exist.
// The error tells a file that is damaged (store.corrupt), not ours or newer than this
// program (store.foreign), locked, not writable, or on a full disk apart by its reason.
func Open(ctx context.Context, path string, opts ...Option) (driver.Store, error) {
	e := &engine{
		options: options{
			now: time.Now, sweep: 30 * time.Second, timeout: 5 * time.Second, verifyUp: VerifyBytes, log: slog.Default(),
		},
		queue: make(chan *request, maxGroup),
	}
	for _, o := range opts {
		o.apply(&e.options)
	}
	if err := e.open(ctx, path); err != nil {
		_ = e.disconnect() // the first error tells
		return nil, err
	}
	e.life, e.end = context.WithCancel(context.Background())
	e.work.Go(e.commitAll)
	e.work.Go(e.sweepAll)
	return e, nil
}

func (e *engine) open(ctx context.Context, path string) (err error) {
	if e.path, e.file, err = prepareFile(path); err != nil {
		return err
	}
	locking, cancel := context.WithTimeout(ctx, e.patience(ctx))
	defer cancel()
	if err := e.connectWriter(locking); err != nil {
		return e.fault(err)
	}
	if err := e.verify(ctx); err != nil {
		return e.fault(err)
	}
	if err := e.connectReaders(ctx); err != nil {
		return e.fault(err)
	}
	return nil
}

// enter admits a call. The context it returns ends a little before the caller's, so
// that a call that waited in vain can still say for what; it ends with the engine, too.
func (e *engine) enter(ctx context.Context) (inner context.Context, leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, nil, errClosed()
	}
	e.calls.Add(1)
	patience := e.patience(ctx)
	inner, cancel := context.WithTimeout(ctx, patience-grace(patience))
	stop := context.AfterFunc(e.life, cancel)
	return inner, func() { stop(); cancel(); e.calls.Done() }, nil
}

// patience is how long a call may take.
func (e *engine) patience(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return time.Until(deadline)
	}
	return e.timeout
}

// grace is kept back from a call's time to answer within it.
func grace(patience time.Duration) time.Duration {
	return min(patience/10, 50*time.Millisecond)
}

// ended tells why a call's inner context is over, given the caller's.
func (e *engine) ended(ctx context.Context) error {
	switch {
	case e.life.Err() != nil:
		return errClosed()
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	}
	return fault.New(fault.Timeout, driver.ReasonTimeout,
		"%s: the disk did not answer in time; see whether it is overloaded", e.path)
}

// Check reads the file's counter and looks whether the file is still where it was.
func (e *engine) Check(ctx context.Context) error {
	inner, leave, err := e.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if err := e.unmoved(); err != nil {
		return err
	}
	return e.read(ctx, inner, func() error {
		_, err := readCounter(inner, e.readers)
		return err
	})
}

// Close waits for calls within ctx, then cuts them off.
func (e *engine) Close(ctx context.Context) error {
	e.mu.Lock()
	closed := e.closed
	e.closed = true
	e.mu.Unlock()
	if closed {
		return nil
	}
	idle := make(chan struct{})
	go func() { e.calls.Wait(); close(idle) }()
	select {
	case <-idle:
	case <-ctx.Done():
	}
	e.end()
	<-idle // soon: whatever waited has been told, and SQLite's steps are short
	e.work.Wait()
	if err := e.disconnect(); err != nil {
		return e.fault(err)
	}
	return nil
}
