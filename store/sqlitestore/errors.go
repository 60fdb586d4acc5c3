package sqlitestore

import (
	"context"
	"errors"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store/driver"
)

// resultCode returns SQLite's extended result code of an error, 0 where it is none of SQLite's.
func resultCode(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

func isBusy(err error) bool {
	primary := resultCode(err) & 0xff
	return primary == sqlite3.SQLITE_BUSY || primary == sqlite3.SQLITE_LOCKED
}

// damage is what does not match its checksum.
type damage struct{ error }

var errCounter error = damage{errors.New("the counter of revisions is gone or does not match its checksum")}

// fault translates an error of SQLite. Faults, refusals and context errors pass.
func (e *engine) fault(err error) error {
	var f *fault.Error
	var refused *driver.Refused
	if errors.As(err, &f) || errors.As(err, &refused) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var hurt damage
	if errors.As(err, &hurt) {
		return e.corruptFault(hurt.error)
	}
	code := resultCode(err)
	switch code {
	case sqlite3.SQLITE_IOERR_SHMSIZE:
		return fullFault(e.path, err)
	case sqlite3.SQLITE_READONLY_DBMOVED:
		return fault.Wrap(err, fault.Unavailable, driver.ReasonMoved, "%s was moved or deleted while it was open", e.path)
	}
	switch code & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL:
		return e.lockedFault(err)
	case sqlite3.SQLITE_FULL:
		return fullFault(e.path, err)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB,
		// Our statements never change: only a damaged schema makes them wrong.
		sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_FORMAT:
		return e.corruptFault(err)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN:
		return readOnlyFault(e.path, err)
	case sqlite3.SQLITE_IOERR:
		return fault.Wrap(err, fault.Unavailable, driver.ReasonIO, "%s cannot be read or written; see the system's log for its disk", e.path)
	}
	return fault.Wrap(err, fault.Internal, driver.ReasonIO, "%s: SQLite failed", e.path)
}

func (e *engine) lockedFault(cause error) error {
	return fault.Wrap(cause, fault.Unavailable, driver.ReasonLocked,
		"%s is locked by another process or connection; nothing was written. Stop the one that holds it (fuser shows who), or try again", e.path)
}

func (e *engine) corruptFault(cause error) error {
	return fault.Wrap(cause, fault.Unavailable, driver.ReasonCorrupt,
		"%s is damaged, or is no SQLite database; it was left as it is. Restore a backup, or copy it and recover what is left with sqlite3 .recover", e.path)
}

func fullFault(path string, cause error) error {
	return fault.Wrap(cause, fault.Unavailable, driver.ReasonFull,
		"no space is left for %s; nothing was written. Free some: reading goes on, and writing will", path)
}

func readOnlyFault(path string, cause error) error {
	return fault.Wrap(cause, fault.Unavailable, driver.ReasonReadOnly,
		"%s cannot be written by this user; give it the right to write the file and its folder, or name another file", path)
}

func errClosed() error {
	return fault.New(fault.Unavailable, driver.ReasonClosed, "the store was closed on this side")
}
