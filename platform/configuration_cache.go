package platform

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

// configCache is the file with the last good configuration of a service, which all its
// instances in one place share.
type configCache struct{ path string } // "": none is kept

// kept is what the file holds.
type kept struct {
	Revision uint64
	Hash     string
	Document []byte
}

// keptFile is the file's form. Sum is the SHA-256 of the document as it is written.
type keptFile struct {
	Revision uint64          `json:"revision"`
	Hash     string          `json:"hash"`
	Sum      string          `json:"sha256"`
	Document json.RawMessage `json:"document"`
}

func newConfigCache(dir string, l *configpb.Layers) configCache {
	if dir == "" || !word.MatchString(l.GetEnvironment()) || !word.MatchString(l.GetRegion()) {
		return configCache{}
	}
	return configCache{filepath.Join(dir, l.GetEnvironment(), l.GetRegion(), l.GetService()+".json")}
}

// read returns nil where nothing is kept.
func (c configCache) read() (*kept, error) {
	if c.path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(c.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var file keptFile
	if json.Unmarshal(text, &file) != nil || sum(file.Document) != file.Sum {
		return nil, errors.New("it is damaged")
	}
	return &kept{file.Revision, file.Hash, file.Document}, nil
}

// write replaces the file as a whole, so that no reader and no crash finds half of it.
func (c configCache) write(k kept) error {
	if c.path == "" {
		return nil
	}
	text, err := k.text()
	if err != nil {
		return err
	}
	dir := filepath.Dir(c.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, ".*.tmp") // mode 0600: there may be secrets in it
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(file.Name(), c.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

func (k kept) text() ([]byte, error) {
	var document, text bytes.Buffer
	if err := json.Compact(&document, k.Document); err != nil {
		return nil, fmt.Errorf("write the document as JSON: %w", err)
	}
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // the document is written as it is, so that its sum holds
	err := encoder.Encode(keptFile{k.Revision, k.Hash, sum(document.Bytes()), document.Bytes()})
	return text.Bytes(), err
}

func sum(document []byte) string {
	s := sha256.Sum256(document)
	return hex.EncodeToString(s[:])
}
