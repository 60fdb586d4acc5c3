package history

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store"
)

const (
	partSize = 768 << 10 // bytes of one record, below store.MaxValue
	maxEntry = 32 << 20  // bytes of one entry
)

// encode returns the record of an entry, having written its parts where it is large.
func (l *Log) encode(ctx context.Context, e *Entry) ([]byte, error) {
	text, err := encodeEntry(e)
	if err != nil {
		return nil, damaged(e.Revision, "%v", err)
	}
	if len(text) <= partSize {
		return text, nil
	}
	if len(text) > maxEntry {
		return nil, fault.New(fault.BadRequest, ReasonTooLarge,
			"the change has %d bytes; at most %d go into one revision: split it", len(text), maxEntry)
	}
	n, err := l.writeParts(ctx, "part/"+e.Key, text)
	if err != nil {
		return nil, err
	}
	return json.Marshal(storedEntry{Key: e.Key, Parts: n})
}

func (l *Log) decode(ctx context.Context, revision uint64, record []byte) (*Entry, error) {
	var s storedEntry
	if err := json.Unmarshal(record, &s); err != nil {
		return nil, damaged(revision, "%v", err)
	}
	if s.Parts > 0 {
		text, err := l.readParts(ctx, "part/"+s.Key, s.Parts)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, &s); err != nil {
			return nil, damaged(revision, "%v", err)
		}
	}
	e, err := s.entry(revision)
	if err != nil {
		return nil, damaged(revision, "%v", err)
	}
	return e, nil
}

// writeParts writes a long text as a partition of its own and returns the number of records.
func (l *Log) writeParts(ctx context.Context, partition string, text []byte) (int, error) {
	n := 0
	for ; len(text) > 0; n++ {
		size := min(len(text), partSize)
		if _, err := l.table.Put(ctx, store.Key{Partition: partition, Clustering: fmt.Sprintf("%06d", n)}, text[:size]); err != nil {
			return 0, err
		}
		text = text[size:]
	}
	return n, nil
}

func (l *Log) readParts(ctx context.Context, partition string, n int) ([]byte, error) {
	var text bytes.Buffer
	found := 0
	for r, err := range l.table.All(ctx, partition, store.Range{Limit: 10}) {
		if err != nil {
			return nil, err
		}
		text.Write(r.Value)
		found++
	}
	if found != n {
		return nil, fault.New(fault.Internal, ReasonDamaged, "%d of %d parts of %s are in the store", found, n, partition)
	}
	return text.Bytes(), nil
}
