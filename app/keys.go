package app

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// keysFile is where `hansom up` keeps the keys of its environment.
const keysFile = "keys.json"

// keyBytes is the length of a key.
const keyBytes = 32

// Keys are the secrets of an environment that are kept outside its store. Who has
// them can be any user and any service of it.
type Keys struct {
	Login  []byte `json:"login"`  // seals the signing keys; the root of services' identities is derived from it
	Config []byte `json:"config"` // seals secrets in configuration
}

// ReadKeys reads a file of keys.
func ReadKeys(path string) (Keys, error) {
	var k Keys
	info, err := os.Stat(path)
	if err != nil {
		return k, fmt.Errorf("read the environment's keys: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return k, fmt.Errorf("the environment's keys in %s can be read by others than their owner (mode %#o); make them new or: chmod 600 %s",
			path, info.Mode().Perm(), path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return k, fmt.Errorf("read the environment's keys: %w", err)
	}
	if err := json.Unmarshal(data, &k); err != nil {
		return k, fmt.Errorf("read the environment's keys in %s: %w; restore the file: without it nobody can log in, and no secret be read", path, err)
	}
	if len(k.Login) != keyBytes || len(k.Config) != keyBytes {
		return k, fmt.Errorf("the environment's keys in %s have %d and %d bytes, want %d; restore the file: without it nobody can log in, and no secret be read",
			path, len(k.Login), len(k.Config), keyBytes)
	}
	return k, nil
}

// keys returns the keys of the folder, and makes them on first start. Keys are
// never made beside a store that exists: what it holds was sealed with others.
func (f *folder) keys() (Keys, error) {
	path := filepath.Join(f.path, keysFile)
	k, err := ReadKeys(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	if _, err := os.Stat(storeFile(f.path)); err == nil {
		return k, fmt.Errorf("there is a store in %s but no %s, without which nobody can log in; restore that file, or start on another folder with --data", f.path, keysFile)
	}
	k = Keys{Login: make([]byte, keyBytes), Config: make([]byte, keyBytes)}
	_, _ = rand.Read(k.Login) // it never fails
	_, _ = rand.Read(k.Config)
	return k, f.write(keysFile, k)
}

// write replaces a file of the folder by v as JSON, in one step, and has it on the
// disk when it returns. Only the owner may read it.
func (f *folder) write(name string, v any) error {
	path := filepath.Join(f.path, name)
	data, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		err = writeSynced(path+".new", append(data, '\n'))
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err == nil {
		err = syncFolder(f.path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func writeSynced(path string, data []byte) error {
	_ = os.Remove(path) // of an attempt that was cut short; its mode is not to be relied on
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Sync(), file.Close())
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// storeFile is where the embedded store keeps its data.
func storeFile(data string) string { return filepath.Join(data, "store.db") }
