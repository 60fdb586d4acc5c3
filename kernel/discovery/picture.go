package discovery

import (
	"cmp"
	"hash/fnv"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
)

// entry is one listed instance.
type entry struct {
	instance *discoverypb.Instance
	owner    string    // discovery instance that it is registered through
	revision uint64    // of its node; of the deletion while it is an orphan
	orphaned time.Time // when its node was gone; zero while there is one

	lastBeat time.Time // as known here
	missed   int
}

// removal is the mark of an instance that was removed.
type removal struct {
	revision uint64
	seen     time.Time
}

// picture is what one discovery instance knows. Its methods may be called
// concurrently.
type picture struct {
	me string

	mu       sync.Mutex
	entries  map[string]*entry
	removed  map[string]removal
	watchers []chan struct{} // each holds one token while something may have changed
}

func newPicture() *picture {
	return &picture{entries: map[string]*entry{}, removed: map[string]removal{}}
}

// changes returns a channel that holds a token whenever the picture changed since
// it was last received from.
func (p *picture) changes() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := make(chan struct{}, 1)
	c <- struct{}{}
	p.watchers = append(p.watchers, c)
	return c
}

func (p *picture) changed() {
	for _, c := range p.watchers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// put takes in what a node holds. An older revision than the known one is ignored.
func (p *picture) put(l *discoverypb.Listing, revision uint64, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := l.GetInstance().GetId()
	if revision <= p.revision(id) {
		return
	}
	defer p.changed()
	if l.GetRemoved() != "" {
		delete(p.entries, id)
		p.removed[id] = removal{revision, now}
		return
	}
	delete(p.removed, id)
	e := p.entries[id]
	if e == nil {
		e = &entry{}
		p.entries[id] = e
	}
	if e.owner != l.GetDiscovery() {
		e.missed, e.lastBeat = 0, time.Time{}
	}
	e.instance, e.owner, e.revision, e.orphaned = l.GetInstance(), l.GetDiscovery(), revision, time.Time{}
}

func (p *picture) revision(id string) uint64 {
	if e := p.entries[id]; e != nil {
		return e.revision
	}
	return p.removed[id].revision
}

// lost takes in that a node is gone. Without a mark of removal, its instance
// stays listed, as an orphan.
func (p *picture) lost(id string, revision uint64, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if revision < p.revision(id) {
		return
	}
	delete(p.removed, id)
	if e := p.entries[id]; e != nil && e.orphaned.IsZero() {
		e.revision, e.orphaned = revision, now
	}
	p.changed()
}

// hearsay lists an instance that another discovery instance knows and that has no
// node at present.
func (p *picture) hearsay(r *discoverypb.Registration, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := r.GetInstance().GetId()
	_, removed := p.removed[id]
	if p.entries[id] != nil || removed {
		return
	}
	p.entries[id] = &entry{instance: r.GetInstance(), owner: r.GetDiscovery(), orphaned: now}
	p.changed()
}

// get returns a copy of an entry.
func (p *picture) get(id string) (entry, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, ok := p.entries[id]
	if !ok {
		return entry{}, false
	}
	return *e, true
}

// differs reports whether i is not listed, or not like this.
func (p *picture) differs(i *discoverypb.Instance) bool {
	e, ok := p.get(i.GetId())
	return !ok || !proto.Equal(e.instance, i)
}

// beat notes the outcome of a heartbeat.
func (p *picture) beat(id string, at time.Time, missed int, answered bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.entries[id]; e != nil {
		e.missed = missed
		if answered {
			e.lastBeat = at
		}
	}
}

// mine returns the services of the instances that are registered through this
// discovery instance, by instance.
func (p *picture) mine() map[string]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := map[string]string{}
	for id, e := range p.entries {
		if e.owner == p.me {
			all[id] = e.instance.GetService()
		}
	}
	return all
}

// living returns the discovery instances that have a node, and this one.
func (p *picture) living() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.livingLocked()
}

func (p *picture) livingLocked() []string {
	all := []string{p.me}
	for id, e := range p.entries {
		if e.instance.GetService() == Name && e.orphaned.IsZero() && id != p.me {
			all = append(all, id)
		}
	}
	return all
}

// due returns the orphans that this discovery instance is to take over by now,
// and when the next one may be, the zero time if there is none.
func (p *picture) due(now time.Time, settle, turn time.Duration) (ids []string, next time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	living := p.livingLocked()
	for id, e := range p.entries {
		if e.orphaned.IsZero() {
			continue
		}
		at := e.orphaned
		if e.owner != p.me {
			at = at.Add(settle + time.Duration(rank(id, e.owner, p.me, living))*turn)
		}
		if !at.After(now) {
			ids = append(ids, id)
		} else if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	slices.Sort(ids)
	return ids, next
}

// rank returns how many of the living come before me in taking over instance id:
// its owner first, then the others by rendezvous hashing (highest random weight;
// Thaler and Ravishankar, 1998).
func rank(id, owner, me string, living []string) int {
	mine, before := weight(id, me), 0
	for _, other := range living {
		if other == me {
			continue
		}
		if other == owner || cmp.Or(cmp.Compare(weight(id, other), mine), cmp.Compare(other, me)) > 0 {
			before++
		}
	}
	return before
}

func weight(id, discovery string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id + "\x00" + discovery))
	x := h.Sum64() // FNV alone mixes its last bytes badly; finish as in MurmurHash3
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return x
}

// marks returns the marks of removal seen before the given time, with the
// revisions of their nodes.
func (p *picture) marks(before time.Time) map[string]uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := map[string]uint64{}
	for id, r := range p.removed {
		if r.seen.Before(before) {
			old[id] = r.revision
		}
	}
	return old
}

// list returns the listed instances of a service and zone, empty for any,
// oldest first.
func (p *picture) list(service, zone string) []*discoverypb.Registration {
	p.mu.Lock()
	entries := make([]entry, 0, len(p.entries))
	for _, e := range p.entries {
		if (service == "" || e.instance.GetService() == service) && (zone == "" || e.instance.GetZone() == zone) {
			entries = append(entries, *e)
		}
	}
	p.mu.Unlock()
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(a.instance.GetStarted().AsTime().Compare(b.instance.GetStarted().AsTime()),
			cmp.Compare(a.instance.GetId(), b.instance.GetId()))
	})
	all := make([]*discoverypb.Registration, len(entries))
	for i, e := range entries {
		all[i] = e.registration()
	}
	return all
}

func (e entry) registration() *discoverypb.Registration {
	r := &discoverypb.Registration{Instance: e.instance, Discovery: e.owner, Missed: uint32(e.missed)}
	if !e.lastBeat.IsZero() {
		r.LastHeartbeat = timestamppb.New(e.lastBeat)
	}
	return r
}

// revisions returns the revisions of the nodes of all listed instances that have one.
func (p *picture) revisions() map[string]uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make(map[string]uint64, len(p.entries))
	for id, e := range p.entries {
		if e.orphaned.IsZero() {
			all[id] = e.revision
		}
	}
	return all
}

// lostAt is lost for a node that was found gone, unless it changed since it was
// known to be at the given revision.
func (p *picture) lostAt(id string, revision uint64, now time.Time) {
	p.mu.Lock()
	same := p.entries[id] != nil && p.entries[id].revision == revision
	p.mu.Unlock()
	if same {
		p.lost(id, revision, now)
	}
}
