package binding

import (
	"maps"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
)

// remembered is how long a discovery.down outweighs a list that still holds the
// instance: lists of other discovery instances may lag behind.
const remembered = 10 * time.Second

// picture is what runs in the region, as this instance knows. Its methods may be
// called concurrently.
type picture struct {
	mu        sync.Mutex
	instances map[string]*discoverypb.Instance
	downs     map[string]time.Time
	whole     bool // there was a list

	changed chan struct{} // holds a token while something may have changed
}

func newPicture() *picture {
	return &picture{
		instances: map[string]*discoverypb.Instance{},
		downs:     map[string]time.Time{},
		changed:   make(chan struct{}, 1),
	}
}

// touch has the leader look again.
func (p *picture) touch() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

func (p *picture) up(i *discoverypb.Instance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.downs, i.GetId())
	p.instances[i.GetId()] = i
	p.touch()
}

func (p *picture) down(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.downs[id] = time.Now()
	delete(p.instances, id)
	p.touch()
}

// lacking returns what is known, here or in others, and missing in a list.
func (p *picture) lacking(listed, others []*discoverypb.Instance) []*discoverypb.Instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	candidates := map[string]*discoverypb.Instance{}
	for _, i := range others {
		candidates[i.GetId()] = i
	}
	maps.Copy(candidates, p.instances)
	for _, i := range listed {
		delete(candidates, i.GetId())
	}
	for id := range p.downs {
		delete(candidates, id)
	}
	return slices.Collect(maps.Values(candidates))
}

// merge takes in a list, and what it lacks although it is alive. Of what is known,
// only the dead are dropped.
func (p *picture) merge(listed, alive, dead []*discoverypb.Instance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before, news := maps.Clone(p.instances), !p.whole
	maps.DeleteFunc(p.downs, func(_ string, at time.Time) bool { return time.Since(at) > remembered })
	for _, i := range dead {
		delete(p.instances, i.GetId())
	}
	for _, i := range alive {
		if _, known := p.instances[i.GetId()]; !known {
			p.add(i)
		}
	}
	for _, i := range listed {
		p.add(i)
	}
	p.whole = true
	if news || !maps.EqualFunc(before, p.instances, func(a, b *discoverypb.Instance) bool { return proto.Equal(a, b) }) {
		p.touch()
	}
}

func (p *picture) add(i *discoverypb.Instance) {
	if _, down := p.downs[i.GetId()]; !down {
		p.instances[i.GetId()] = i
	}
}

// all returns everything that is known, and whether there was a list yet.
func (p *picture) all() (instances []*discoverypb.Instance, whole bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Values(p.instances)), p.whole
}
