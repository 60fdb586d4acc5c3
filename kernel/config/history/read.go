package history

import (
	"context"
	"sync"

	"github.com/hansom-platform/hansom/fault"
)

// Reach returns a state that is at least at the given revision, catching up where
// this Log is behind. A revision that nobody has written yet is BadRequest.
func (l *Log) Reach(ctx context.Context, revision uint64) (*State, error) {
	s := l.State()
	if s.Revision >= revision {
		return s, nil
	}
	s, err := l.CatchUp(ctx)
	if err == nil && s.Revision < revision {
		return nil, fault.New(fault.BadRequest, ReasonNoSuch, "there is no revision %d yet; the newest is %d", revision, s.Revision)
	}
	return s, err
}

// Entry returns the entry of a revision that a State of this Log has reached.
func (l *Log) Entry(ctx context.Context, revision uint64) (*Entry, error) {
	if e := l.cache.get(revision); e != nil {
		return e, nil
	}
	r, err := l.table.Get(ctx, key(revision))
	if fault.Is(err, fault.NotFound) {
		return nil, damaged(revision, "it is not in the store")
	}
	if err != nil {
		return nil, err
	}
	e, err := l.decode(ctx, revision, r.Value)
	if err == nil {
		l.cache.put(e)
	}
	return e, err
}

// Entries returns the entries of several revisions, in their order.
func (l *Log) Entries(ctx context.Context, revisions []uint64) ([]*Entry, error) {
	const atOnce = 16
	found, errs := make([]*Entry, len(revisions)), make([]error, len(revisions))
	var wg sync.WaitGroup
	for worker := range min(atOnce, len(revisions)) {
		wg.Go(func() {
			for i := worker; i < len(revisions); i += atOnce {
				found[i], errs[i] = l.Entry(ctx, revisions[i])
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// At returns what an id held at a revision that s has reached; nil where there
// never was a document until then. The list of its revisions is that of s.
func (l *Log) At(ctx context.Context, s *State, id string, revision uint64) (*Document, error) {
	return l.at(ctx, s.Get(id), revision)
}

func (l *Log) at(ctx context.Context, d *Document, revision uint64) (*Document, error) {
	if d == nil || d.Revision <= revision {
		return d, nil
	}
	last := d.before(revision)
	if last == 0 {
		return nil, nil
	}
	e, err := l.Entry(ctx, last)
	if err != nil {
		return nil, err
	}
	edit, ok := e.edit(d.ID)
	if !ok {
		return nil, damaged(last, "it has no edit of %s", d.ID)
	}
	was := e.document(edit)
	was.revisions = d.revisions
	return was, nil
}

// StateAt returns the documents whose ids begin with prefix as they were at a revision that s has reached. Those
// that were deleted by then are among them.
func (l *Log) StateAt(ctx context.Context, s *State, prefix string, revision uint64) (*State, error) {
	if revision == s.Revision {
		return s, nil
	}
	past := newState()
	past.Revision = revision
	for d := range s.All(prefix) {
		was, err := l.at(ctx, d, revision)
		if err != nil {
			return nil, err
		}
		if was != nil {
			past.documents.Set(was.ID, was)
		}
	}
	return past, nil
}

// cache holds entries that were used lately.
type cache struct {
	mu      sync.Mutex
	entries map[uint64]*Entry
	order   []uint64 // oldest first
	edits   int
}

// maxCached bounds the edits, that is documents, that the cache holds. Most are a kilobyte or two.
const maxCached = 10_000

func newCache() *cache { return &cache{entries: map[uint64]*Entry{}} }

func (c *cache) get(revision uint64) *Entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.entries[revision]
}

func (c *cache) put(e *Entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries[e.Revision] != nil {
		return
	}
	c.entries[e.Revision] = e
	c.order = append(c.order, e.Revision)
	c.edits += len(e.Edits)
	for c.edits > maxCached && len(c.order) > 1 {
		c.edits -= len(c.entries[c.order[0]].Edits)
		delete(c.entries, c.order[0])
		c.order = c.order[1:]
	}
}
