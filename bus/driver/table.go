package driver

import (
	"slices"
	"sync"
	"time"
)

// A Table holds the bindings of every service, for drivers that route in the
// client. A look-up takes no lock and its cost does not grow with the number of
// services. The zero Table is empty and ready. Methods may be called concurrently.
type Table struct {
	services sync.Map // service -> *tableEntry, replaced and never changed

	mu    sync.Mutex
	parts map[string]map[Zone]tableEntry
}

type tableEntry struct {
	bindings []Binding
	left     time.Time
}

// Set makes bindings the whole set of service in zone z. With none, left says
// when the last instance left, the zero time where that is not known. Messages
// see the old set or the new one, never a mixture. The slice belongs to the table.
func (t *Table) Set(service string, z Zone, bindings []Binding, left time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.parts == nil {
		t.parts = map[string]map[Zone]tableEntry{}
	}
	zones := t.parts[service]
	if zones == nil {
		zones = map[Zone]tableEntry{}
		t.parts[service] = zones
	}
	zones[z] = tableEntry{bindings, left}
	t.services.Store(service, merge(zones))
}

// Forget removes what is known of service in zone z.
func (t *Table) Forget(service string, z Zone) {
	t.mu.Lock()
	defer t.mu.Unlock()
	zones := t.parts[service]
	delete(zones, z)
	if len(zones) == 0 {
		delete(t.parts, service)
		t.services.Delete(service)
		return
	}
	t.services.Store(service, merge(zones))
}

// Route applies the routing rule to the bindings of the service that q's header
// names. A miss is a NoRoute fault that explains itself.
func (t *Table) Route(q Query) (Binding, error) {
	service := q.Header.Get(HeaderService)
	v, ok := t.services.Load(service)
	if !ok {
		return Binding{}, NoRoute(service, MissUnknown, time.Time{})
	}
	e := v.(*tableEntry)
	i, miss := Route(e.bindings, q)
	if miss != Hit {
		return Binding{}, NoRoute(service, miss, e.left)
	}
	return e.bindings[i], nil
}

// merge puts the zones of a service together in the order of their names, so
// that every client draws from the same list.
func merge(zones map[Zone]tableEntry) *tableEntry {
	if len(zones) == 1 {
		for _, e := range zones {
			return &e
		}
	}
	names := make([]Zone, 0, len(zones))
	for z := range zones {
		names = append(names, z)
	}
	slices.SortFunc(names, compareZones)
	all := &tableEntry{}
	for _, z := range names {
		e := zones[z]
		all.bindings = append(all.bindings, e.bindings...)
		if e.left.After(all.left) {
			all.left = e.left
		}
	}
	return all
}

func compareZones(a, b Zone) int {
	if a.String() < b.String() {
		return -1
	}
	return 1
}
