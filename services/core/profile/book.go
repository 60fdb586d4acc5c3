package profile

import (
	"slices"
	"strings"
	"sync"

	"github.com/hansom-platform/hansom/fault"
)

// maxDrivers bounds the memory of an instance: about 60 MB.
const maxDrivers = 200_000

// book stores profiles. All methods may be called concurrently.
type book struct {
	mu      sync.RWMutex
	drivers map[string]Driver
}

func newBook() *book { return &book{drivers: map[string]Driver{}} }

// write stores d under a new revision, which is now in microseconds, or one more
// than the last where a clock is behind.
func (b *book) write(d Driver, now uint64) (Driver, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	known, ok := b.drivers[d.ID]
	if !ok && len(b.drivers) >= maxDrivers {
		return d, fault.New(fault.Unavailable, "core.profile.write.full", "no more than %d drivers can be kept", maxDrivers)
	}
	d.Revision = max(now, known.Revision+1)
	b.drivers[d.ID] = d
	return d, nil
}

// merge stores what another instance wrote, unless a newer profile is known. The
// limit does not hold here: instances must agree.
func (b *book) merge(d Driver) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if known, ok := b.drivers[d.ID]; !ok || d.newer(known) {
		b.drivers[d.ID] = d
	}
}

// read returns the profiles that are known, in the order of ids.
func (b *book) read(ids []string) []Driver {
	b.mu.RLock()
	defer b.mu.RUnlock()
	found := make([]Driver, 0, len(ids))
	for _, id := range ids {
		if d, ok := b.drivers[id]; ok {
			found = append(found, d)
		}
	}
	return found
}

// page returns up to limit profiles by id, of ids that sort after the given one.
func (b *book) page(after string, limit int) []Driver {
	b.mu.RLock()
	var page []Driver
	for id, d := range b.drivers {
		if id > after {
			page = append(page, d)
		}
	}
	b.mu.RUnlock()
	slices.SortFunc(page, func(a, b Driver) int { return strings.Compare(a.ID, b.ID) })
	return page[:min(limit, len(page))]
}
