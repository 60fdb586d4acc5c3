package history

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/hansom-platform/hansom/kernel/config/document"
)

// storedEntry is how an entry is written. A large one is written in parts, and its
// record has only Key and Parts.
type storedEntry struct {
	Key     string       `json:"key"`
	Parts   int          `json:"parts,omitempty"`
	Author  string       `json:"author,omitempty"`
	Message string       `json:"message,omitempty"`
	At      time.Time    `json:"at,omitzero"`
	Edits   []storedEdit `json:"edits,omitempty"`
}

type storedEdit struct {
	ID      string          `json:"id"`
	Value   json.RawMessage `json:"value,omitempty"`
	Deleted bool            `json:"deleted,omitempty"`
	Origin  *Origin         `json:"origin,omitempty"`
}

// storedDocument is how a snapshot has a document.
type storedDocument struct {
	storedEdit
	Revision  uint64    `json:"revision"`
	Author    string    `json:"author"`
	Message   string    `json:"message"`
	At        time.Time `json:"at"`
	Revisions []uint64  `json:"revisions"`
}

func storeEdit(e Edit) storedEdit {
	if document.IsAbsent(e.Value) {
		return storedEdit{ID: e.ID, Deleted: true, Origin: e.Origin}
	}
	return storedEdit{ID: e.ID, Value: document.EncodeStored(e.Value), Origin: e.Origin}
}

func (s storedEdit) edit() (Edit, error) {
	if s.Deleted {
		return Edit{ID: s.ID, Value: document.Absent, Origin: s.Origin}, nil
	}
	v, err := document.ParseStored(s.Value)
	if err != nil {
		return Edit{}, fmt.Errorf("document %s: %w", s.ID, err)
	}
	return Edit{ID: s.ID, Value: document.ReadStored(s.ID, v), Origin: s.Origin}, nil
}

func encodeEntry(e *Entry) ([]byte, error) {
	s := storedEntry{Key: e.Key, Author: e.Author, Message: e.Message, At: e.At}
	for _, edit := range e.Edits {
		s.Edits = append(s.Edits, storeEdit(edit))
	}
	return json.Marshal(s)
}

func (s *storedEntry) entry(revision uint64) (*Entry, error) {
	e := &Entry{Key: s.Key, Revision: revision, Author: s.Author, Message: s.Message, At: s.At}
	for _, edit := range s.Edits {
		read, err := edit.edit()
		if err != nil {
			return nil, err
		}
		e.Edits = append(e.Edits, read)
	}
	return e, nil
}

func storeDocument(d *Document) storedDocument {
	return storedDocument{
		storedEdit: storeEdit(Edit{d.ID, d.Value, d.Origin}),
		Revision:   d.Revision, Author: d.Author, Message: d.Message, At: d.At, Revisions: d.revisions,
	}
}

func (s storedDocument) document() (*Document, error) {
	e, err := s.edit()
	if err != nil {
		return nil, err
	}
	return &Document{
		ID: s.ID, Value: e.Value, Origin: e.Origin,
		Revision: s.Revision, Author: s.Author, Message: s.Message, At: s.At, revisions: s.Revisions,
	}, nil
}
