package rabbitbus

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"

	"github.com/hansom-platform/hansom/bus/driver"
)

// A share is what one zone tells the others of one service.
type share struct {
	recordKey
	Candidates []driver.Binding `json:"candidates,omitempty"` // of equal version, match and salt together; Instance is ""
	Instances  []string         `json:"instances,omitempty"`
	Left       []string         `json:"left,omitempty"`
}

// shareOf sums a record up. The candidates' weights are the sums of those of their instances.
func shareOf(r record) share {
	s := share{recordKey: r.recordKey, Left: r.Left}
	at := map[string]int{}
	for _, b := range r.Bindings {
		s.Instances = append(s.Instances, b.Instance)
		weight := b.Weight
		b.Instance, b.Weight = "", 0
		text, _ := json.Marshal(b)
		i, ok := at[string(text)]
		if !ok {
			i = len(s.Candidates)
			at[string(text)] = i
			s.Candidates = append(s.Candidates, b)
		}
		sum := uint64(s.Candidates[i].Weight) + uint64(weight)
		s.Candidates[i].Weight = uint32(min(sum, math.MaxUint32))
	}
	slices.Sort(s.Instances)
	s.Instances = slices.Compact(s.Instances)
	slices.SortFunc(s.Candidates, func(a, b driver.Binding) int {
		x, _ := json.Marshal(a)
		y, _ := json.Marshal(b)
		return cmp.Compare(string(x), string(y))
	})
	return s
}

// record is what the share becomes in another zone.
func (s share) record() record {
	key := s.recordKey
	key.Remote = true
	return record{recordKey: key, Bindings: s.Candidates, Left: s.Left}
}

func (s share) empty() bool { return len(s.Candidates)+len(s.Left) == 0 }

// A book is a zone's shares, of which each change has a number. An epoch's numbers say nothing of another's.
type book struct {
	epoch    string
	revision uint64
	shares   map[recordKey]share
	changed  map[recordKey]uint64
}

func newBook(epoch string) *book {
	return &book{epoch: epoch, shares: map[recordKey]share{}, changed: map[recordKey]uint64{}}
}

// enter takes in changed records and tells whether that changed the book.
func (b *book) enter(records []record) (news bool) {
	for _, r := range records {
		s := shareOf(r)
		if sameShare(b.shares[r.recordKey], s) {
			continue
		}
		if !news {
			b.revision++
			news = true
		}
		b.shares[r.recordKey] = s
		b.changed[r.recordKey] = b.revision
	}
	return news
}

func sameShare(a, b share) bool {
	if a.empty() && b.empty() {
		return true
	}
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return string(x) == string(y)
}

// since lists what changed after a revision of an epoch: everything that is not empty where the
// epoch is another. full tells that.
func (b *book) since(epoch string, revision uint64) (all []share, full bool) {
	full = epoch != b.epoch || revision > b.revision
	for key, s := range b.shares {
		if (full && !s.empty()) || (!full && b.changed[key] > revision) {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(x, y share) int {
		return cmp.Or(cmp.Compare(x.Service, y.Service), cmp.Compare(x.Zone.Region, y.Zone.Region))
	})
	return all, full
}
