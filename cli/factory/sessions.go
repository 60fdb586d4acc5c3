package factory

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Saved is a session that `hansom login` opened, as the command line keeps it.
type Saved struct {
	Session    string    `json:"session"` // the secret
	Token      string    `json:"token"`   // the last one, for when login is away
	Expires    time.Time `json:"expires"`
	Identifier string    `json:"identifier"`
}

// saves is what the command line remembers between its runs. It holds secrets: the
// file's mode is 0600.
type saves struct {
	Sessions map[string]Saved  `json:"sessions"` // by platform
	Devices  map[string]string `json:"devices"`  // by platform and user: proof that this device has logged in before
}

// sessionFile is $XDG_STATE_HOME/hansom/sessions.json
// (XDG Base Directory Specification 0.8).
func (f *Factory) sessionFile() (string, error) {
	state := f.Env("XDG_STATE_HOME")
	if state == "" {
		home := f.Env("HOME")
		if home == "" {
			return "", errors.New("neither $XDG_STATE_HOME nor $HOME says where sessions are kept; set one, or give --session")
		}
		state = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(state, "hansom", "sessions.json"), nil
}

// readSaves returns what is remembered, nothing where the file is missing.
func (f *Factory) readSaves() (saves, error) {
	s := saves{Sessions: map[string]Saved{}, Devices: map[string]string{}}
	path, err := f.sessionFile()
	if err != nil {
		return s, err
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		return s, fmt.Errorf("read the saved sessions: %w; mend or remove %s", err, path)
	}
	return s, nil
}

// changeSaves changes what is remembered, one command at a time. What change
// returned an error for is not kept.
func (f *Factory) changeSaves(change func(*saves) error) error {
	path, err := f.sessionFile()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("save the session: %w", err)
	}
	lock, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("save the session: %w", err)
	}
	defer func() { _ = lock.Close() }() // unlocks
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("save the session: lock %s: %w", path, err)
	}
	s, err := f.readSaves()
	if err != nil {
		return err
	}
	if err := change(&s); err != nil {
		return err
	}
	data, err := json.MarshalIndent(s, "", "  ")
	if err == nil {
		err = os.WriteFile(path+".new", append(data, '\n'), 0o600)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fmt.Errorf("save the session: %w", err)
	}
	return nil
}

// deviceKey names a user on a platform.
func deviceKey(platform, application, identifier string) string {
	return platform + " " + cmp.Or(application, "admin") + " " + identifier
}
