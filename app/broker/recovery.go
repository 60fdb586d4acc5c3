package broker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// forgetExpiries removes the server's files of what is yet to expire, from which
// it then starts afresh, by reading the streams.
//
// The files are written when the server stops, not when it is killed. After a
// kill the server finds messages again that had expired meanwhile, trusts the old
// file that they are no longer to expire, and keeps them for ever (nats-server
// 2.15.2, filestore.go, recoverTTLState). Sessions of coordination are such messages: a
// leader that died long ago would lead for ever.
// TestWhatExpiredBeforeAKillGoesAgain fails without this; with a release of which it
// does not, this can go.
func forgetExpiries(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", "*", "msgs", "thw.db"))
	if err != nil {
		return fmt.Errorf("look for the expiries in %s: %w", dir, err)
	}
	for _, path := range files {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the expiries of the store: %w", err)
		}
	}
	return nil
}
