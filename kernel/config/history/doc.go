// Package history keeps configuration documents and everything that they ever held, in
// one log over a store. Only kernel.config imports it.
//
// The log is the truth: revisions 1, 2, 3 and so on, each one entry, which is the
// author's change with the whole of every document that it writes. Appending
// revision N+1 is one put-if-absent on its key, which gives all writers, in any number of
// processes, one order, on any engine, without a transaction over partitions. Everything
// else, the current documents too, follows from it: each Log holds it in memory, and catches up
// by reading the entries after its own revision. See docs/decisions/0013.
//
// A State is immutable; States and Logs are safe for concurrent use.
package history

import (
	"iter"
	"sort"
	"strings"
	"time"

	"github.com/tidwall/btree"

	"github.com/hansom-platform/hansom/kernel/config/document"
)

// An Edit is what an entry made of one document.
type Edit struct {
	ID     string
	Value  any     // document.Absent: it was deleted
	Origin *Origin // of the value's leaves; set by Append
}

// An Entry is one revision.
type Entry struct {
	Key      string // unique, so that a writer recognises its own
	Revision uint64
	Author   string
	Message  string
	At       time.Time
	Edits    []Edit
}

// edit returns what the entry made of one document.
func (e *Entry) edit(id string) (Edit, bool) {
	for _, d := range e.Edits {
		if d.ID == id {
			return d, true
		}
	}
	return Edit{}, false
}

// IDs returns the ids of the documents that the entry changed.
func (e *Entry) IDs() []string {
	ids := make([]string, len(e.Edits))
	for i, d := range e.Edits {
		ids[i] = d.ID
	}
	return ids
}

// A Document is what an id holds since a revision.
type Document struct {
	ID       string
	Value    any // document.Absent: it was deleted
	Origin   *Origin
	Revision uint64 // that set it
	Author   string
	Message  string
	At       time.Time

	revisions []uint64 // all that touched it, in order
}

// Live reports whether there is a document, and not only the memory of one. A nil Document is none.
func (d *Document) Live() bool { return d != nil && !document.IsAbsent(d.Value) }

// Object returns what the document holds, or Absent.
func (d *Document) Object() any {
	if d == nil {
		return document.Absent
	}
	return d.Value
}

// Revisions returns those that touched the document, in order. It must not be changed.
func (d *Document) Revisions() []uint64 {
	if d == nil {
		return nil
	}
	return d.revisions
}

// before returns the last revision of the document that is not after the given one, or 0.
func (d *Document) before(revision uint64) uint64 {
	i := sort.Search(len(d.revisions), func(i int) bool { return d.revisions[i] > revision })
	if i == 0 {
		return 0
	}
	return d.revisions[i-1]
}

// State is all documents at one revision.
type State struct {
	Revision  uint64
	documents *btree.Map[string, *Document] // deleted ones too
}

func newState() *State { return &State{documents: new(btree.Map[string, *Document])} }

// Get returns the document of an id, also a deleted one; nil where there never was one.
func (s *State) Get(id string) *Document {
	d, _ := s.documents.Get(id)
	return d
}

// All returns the documents whose ids begin with prefix, deleted ones too, by id.
func (s *State) All(prefix string) iter.Seq[*Document] {
	return func(yield func(*Document) bool) {
		s.documents.Ascend(prefix, func(id string, d *Document) bool {
			return strings.HasPrefix(id, prefix) && yield(d)
		})
	}
}

// With returns the state as edits would make it, to be judged before they are appended. The
// documents that they write carry the next revision.
func (s *State) With(edits []Edit) *State {
	next := &State{Revision: s.Revision, documents: s.documents.Copy()}
	for _, e := range edits {
		next.documents.Set(e.ID, &Document{ID: e.ID, Value: e.Value, Revision: s.Revision + 1})
	}
	return next
}

// apply returns the state after an entry, the next one. Only the newest state of a Log may be
// applied to: documents share their lists of revisions.
func (s *State) apply(e *Entry) *State {
	next := &State{Revision: e.Revision, documents: s.documents.Copy()}
	for _, edit := range e.Edits {
		d := e.document(edit)
		d.revisions = append(s.Get(edit.ID).Revisions(), e.Revision)
		next.documents.Set(edit.ID, d)
	}
	return next
}

func (e *Entry) document(edit Edit) *Document {
	return &Document{
		ID: edit.ID, Value: edit.Value, Origin: edit.Origin,
		Revision: e.Revision, Author: e.Author, Message: e.Message, At: e.At,
	}
}
