package history

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store"
)

// A snapshot is a state, so that opening a log need not read all of it. It is made
// every snapshotEvery revisions by whoever notices first; two are kept. One that cannot be
// read is passed over: the log has everything.
const (
	snapshotEvery     = 1000
	snapshotPartition = "snapshot"
	keepSnapshots     = 2
)

// snapshotHead is the record that says that a snapshot is complete.
type snapshotHead struct {
	Parts     int    `json:"parts"`
	Partition string `json:"partition"`
	SHA256    string `json:"sha256"`
}

// Snapshot writes a snapshot if one is due.
func (l *Log) Snapshot(ctx context.Context) error {
	s := l.State()
	if !l.due(s) {
		return nil
	}
	newest, err := l.table.Range(ctx, snapshotPartition, store.Range{Reverse: true, Limit: 1})
	if err != nil {
		return err
	}
	if len(newest.Records) > 0 {
		var at uint64
		if _, err := fmt.Sscan(newest.Records[0].Key.Clustering, &at); err == nil {
			l.noteSnapshot(at)
		}
	}
	if !l.due(s) {
		return nil
	}
	if err := l.writeSnapshot(ctx, s); err != nil {
		return err
	}
	l.noteSnapshot(s.Revision)
	return l.dropSnapshots(ctx)
}

func (l *Log) due(s *State) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return s.Revision >= l.snapshots+snapshotEvery
}

func (l *Log) noteSnapshot(revision uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.snapshots = max(l.snapshots, revision)
}

func (l *Log) writeSnapshot(ctx context.Context, s *State) error {
	text, err := encodeState(s)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	head := snapshotHead{
		Partition: fmt.Sprintf("snapshot/%d/%s", s.Revision, uuid.NewString()),
		SHA256:    hex.EncodeToString(sum[:]),
	}
	if head.Parts, err = l.writeParts(ctx, head.Partition, text); err != nil {
		return err
	}
	record, err := json.Marshal(head)
	if err != nil {
		return err
	}
	_, err = l.table.Create(ctx, snapshotKey(s.Revision), record)
	if fault.Is(err, fault.Conflict) { // somebody made the same
		return l.dropParts(ctx, head)
	}
	return err
}

func snapshotKey(revision uint64) store.Key {
	return store.Key{Partition: snapshotPartition, Clustering: fmt.Sprintf("%020d", revision)}
}

// dropSnapshots deletes all but the newest.
func (l *Log) dropSnapshots(ctx context.Context) error {
	n := 0
	for r, err := range l.table.All(ctx, snapshotPartition, store.Range{Reverse: true}) {
		if err != nil {
			return err
		}
		if n++; n <= keepSnapshots {
			continue
		}
		if err := l.table.Delete(ctx, r.Key); err != nil {
			return err
		}
		var head snapshotHead
		if err := json.Unmarshal(r.Value, &head); err != nil {
			continue
		}
		if err := l.dropParts(ctx, head); err != nil {
			return err
		}
	}
	return nil
}

func (l *Log) dropParts(ctx context.Context, head snapshotHead) error {
	for n := range head.Parts {
		if err := l.table.Delete(ctx, store.Key{Partition: head.Partition, Clustering: fmt.Sprintf("%06d", n)}); err != nil {
			return err
		}
	}
	return nil
}

// load returns the newest state of which there is a snapshot that can be read, or the empty one.
func (l *Log) load(ctx context.Context) (*State, error) {
	for r, err := range l.table.All(ctx, snapshotPartition, store.Range{Reverse: true}) {
		if err != nil {
			return nil, err
		}
		s, err := l.readSnapshot(ctx, r)
		if err == nil {
			return s, nil
		}
		if uncertain(err) || ctx.Err() != nil {
			return nil, err
		}
		l.log.WarnContext(ctx, "a snapshot of the configuration cannot be read; an older one or the whole history is read instead",
			"snapshot", r.Key.Clustering, "error", err)
	}
	return newState(), nil
}

func (l *Log) readSnapshot(ctx context.Context, r store.Record) (*State, error) {
	var head snapshotHead
	if err := json.Unmarshal(r.Value, &head); err != nil {
		return nil, err
	}
	text, err := l.readParts(ctx, head.Partition, head.Parts)
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != head.SHA256 {
		return nil, errors.New("its checksum is another one")
	}
	return decodeState(text)
}

// encodeState writes a line for the revision and one for each document, compressed.
func encodeState(s *State) ([]byte, error) {
	var text bytes.Buffer
	w := gzip.NewWriter(&text)
	lines := json.NewEncoder(w)
	if err := lines.Encode(s.Revision); err != nil {
		return nil, err
	}
	for d := range s.All("") {
		if err := lines.Encode(storeDocument(d)); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return text.Bytes(), nil
}

func decodeState(text []byte) (*State, error) {
	r, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	lines, s := json.NewDecoder(r), newState()
	if err := lines.Decode(&s.Revision); err != nil {
		return nil, err
	}
	for {
		var stored storedDocument
		if err := lines.Decode(&stored); errors.Is(err, io.EOF) {
			return s, nil
		} else if err != nil {
			return nil, err
		}
		d, err := stored.document()
		if err != nil {
			return nil, err
		}
		s.documents.Set(d.ID, d)
	}
}
