package sqlitestore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store/driver"
)

// creating is held while a file is made. Closing any descriptor of a file gives up all
// POSIX locks that this process has on it, so nobody may have it open in SQLite meanwhile.
var creating sync.Mutex

// prepareFile makes the file where there is none and returns where it is.
func prepareFile(path string) (string, os.FileInfo, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", nil, fileFault(path, err)
	}
	creating.Lock()
	defer creating.Unlock()
	info, err := os.Stat(abs)
	if errors.Is(err, fs.ErrNotExist) {
		if err := createFile(abs); err != nil {
			return "", nil, fileFault(abs, err)
		}
		info, err = os.Stat(abs)
	}
	switch {
	case err != nil:
		return "", nil, fileFault(abs, err)
	case !info.Mode().IsRegular():
		return "", nil, fault.New(fault.Unavailable, driver.ReasonIO, "%s is not a file; name a file in a folder of its own", abs)
	}
	return abs, info, nil
}

// createFile makes an empty file that only its owner may read, durably.
func createFile(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer folder.Close()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) { // another process was faster
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), folder.Sync())
}

// fileFault translates errors of the operating system.
func fileFault(path string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fullFault(path, err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return readOnlyFault(path, err)
	case errors.Is(err, fs.ErrNotExist):
		return fault.Wrap(err, fault.Unavailable, driver.ReasonIO, "the folder %s does not exist; make it, or name another file", filepath.Dir(path))
	}
	return fault.Wrap(err, fault.Unavailable, driver.ReasonIO, "%s cannot be opened", path)
}

// unmoved fails if the file is no longer where it was opened: what is
// written to a deleted file is gone when it is closed.
func (e *engine) unmoved() error {
	info, err := os.Stat(e.path)
	if err == nil && os.SameFile(info, e.file) {
		return nil
	}
	return fault.Wrap(err, fault.Unavailable, driver.ReasonMoved,
		"%s was moved or deleted while it was open; put it back, or stop this program and start it again", e.path)
}
