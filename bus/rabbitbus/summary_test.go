package rabbitbus

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/hansom-platform/hansom/bus/driver"
)

func genRecord(t *rapid.T) record {
	service := rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "service")
	r := record{recordKey: recordKey{Service: service, Zone: zoneB}}
	for i := range rapid.IntRange(0, 4).Draw(t, "instances") {
		b := bindingOfInstance(zoneB, service, fmt.Sprint(service, i))
		b.Version = rapid.SampledFrom([]string{"1", "2"}).Draw(t, "version")
		b.Weight = rapid.Uint32().Draw(t, "weight")
		if rapid.Bool().Draw(t, "overlay") {
			b.Match = map[string]string{driver.HeaderOverlay: "alice"}
		}
		r.Bindings = append(r.Bindings, b)
	}
	return r
}

// TestSharesSumUp: no weight is lost, nor an instance, and candidates differ from each other.
func TestSharesSumUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := genRecord(t)
		s := shareOf(r)
		want, got := map[string]uint64{}, map[string]uint64{}
		name := func(b driver.Binding) string { return fmt.Sprint(b.Version, b.Match) }
		for _, b := range r.Bindings {
			want[name(b)] = min(want[name(b)]+uint64(b.Weight), 1<<32-1)
			if !slices.Contains(s.Instances, b.Instance) {
				t.Fatalf("share %+v lacks instance %s", s, b.Instance)
			}
		}
		for _, c := range s.Candidates {
			if _, twice := got[name(c)]; twice || c.Instance != "" {
				t.Fatalf("candidate %+v is there twice, or names an instance", c)
			}
			got[name(c)] = uint64(c.Weight)
		}
		if !maps.Equal(want, got) {
			t.Fatalf("weights by version and match are %v; want %v", got, want)
		}
	})
}

// TestPeersFollowBooks: whatever is lost on the way, a peer that then gets what it asks for has all the shares.
func TestPeersFollowBooks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBook("first")
		p := &peer{zone: zoneB.Zone, shares: map[recordKey]share{}, fresh: map[recordKey]bool{}}
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			base := b.revision
			if rapid.IntRange(0, 9).Draw(t, "another joiner takes over") == 0 {
				old := b
				b = newBook(old.epoch + "+")
				for _, s := range old.shares {
					b.enter([]record{{recordKey: s.recordKey, Bindings: s.Candidates, Left: s.Left}})
				}
				continue
			}
			news := b.enter([]record{genRecord(t)})
			if news && rapid.Bool().Draw(t, "the push arrives") {
				shares, _ := b.since(b.epoch, base)
				p.learn(joinMessage{Kind: kindPush, Epoch: b.epoch, Base: base, Revision: b.revision, Shares: shares})
			}
		}
		shares, full := b.since(p.epoch, p.revision)
		p.learn(joinMessage{Kind: kindPong, Epoch: b.epoch, Base: p.revision, Revision: b.revision, Full: full, Shares: shares})
		want := map[recordKey]share{}
		for k, s := range b.shares {
			if !s.empty() {
				k.Remote, s.Remote = true, true
				want[k] = s
			}
		}
		if len(want) != len(p.shares) {
			t.Fatalf("the peer has %v; want %v", p.shares, want)
		}
		for k, s := range want {
			if !sameShare(s, p.shares[k]) {
				t.Fatalf("the peer has %+v of %s; want %+v", p.shares[k], k.Service, s)
			}
		}
	})
}

// TestListedBindingsAreThoseMade: what the management API shows of a record's bindings is the record.
func TestListedBindingsAreThoseMade(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := genRecord(t)
		r.Left = []string{"2026-11-24T02:00:00.000000001Z"}
		if rapid.Bool().Draw(t, "remote") {
			r = shareOf(r).record()
		}
		read := map[recordKey]record{}
		for _, e := range r.entries() {
			text, err := json.Marshal(e.arguments)
			if err != nil {
				t.Fatal(err)
			}
			l := listedBinding{Destination: e.destination, DestinationType: "exchange", RoutingKey: e.service}
			if err := json.Unmarshal(text, &l.Arguments); err != nil {
				t.Fatal(err)
			}
			addListed(read, l)
		}
		if got := read[r.recordKey]; len(read) != 1 || !sameEntries(got, r) {
			t.Fatalf("made %+v, read %+v", r, read)
		}
	})
}
