package state

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang/geo/s1"
	"github.com/golang/geo/s2"
	"github.com/tidwall/btree"
)

// fleet stores the newest position of every driver, and indexes the free ones by
// place. All methods may be called concurrently.
//
// Each city has a tree ordered along the S2 space-filling curve (cells of S2 are
// ranges of it), so the drivers around a point are in a few ranges of the tree.
// See docs/decisions/0007-positions-in-s2-cells.md.
type fleet struct {
	expiry   time.Duration
	capacity int // drivers, as far as hasRoom says

	mu      sync.RWMutex
	drivers map[string]*entry
	free    map[string]*btree.BTreeG[*entry] // by city; only free drivers
}

// entry is one driver's newest position. It is never changed once stored.
type entry struct {
	Position
	point s2.Point
	cell  s2.CellID // the leaf cell of point
}

// A neighbour is a free driver and his distance as the crow flies, in metres.
type neighbour struct {
	Position
	distance float64
}

// maxDrivers bounds the memory of an instance: about 50 MB.
const maxDrivers = 200_000

func newFleet(expiry time.Duration) *fleet {
	return &fleet{expiry: expiry, capacity: maxDrivers, drivers: map[string]*entry{}, free: map[string]*btree.BTreeG[*entry]{}}
}

// hasRoom reports whether a position of the driver may be taken from outside. What
// other instances took is stored in any case: instances must agree.
func (f *fleet) hasRoom(driver string) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.drivers[driver] != nil || len(f.drivers) < f.capacity
}

// put stores p unless a newer position of the driver is known.
func (f *fleet) put(p Position) {
	place := s2.LatLngFromDegrees(p.Lat, p.Lng)
	e := &entry{Position: p, point: s2.PointFromLatLng(place), cell: s2.CellIDFromLatLng(place)}

	f.mu.Lock()
	defer f.mu.Unlock()
	if known := f.drivers[p.Driver]; known != nil {
		if !p.newer(known.Position) {
			return
		}
		f.unindex(known)
	}
	f.drivers[p.Driver] = e
	f.index(e)
}

func (f *fleet) index(e *entry) {
	if !e.Available {
		return
	}
	tree := f.free[e.City]
	if tree == nil {
		tree = btree.NewBTreeGOptions(alongCurve, btree.Options{NoLocks: true})
		f.free[e.City] = tree
	}
	tree.Set(e)
}

func (f *fleet) unindex(e *entry) {
	tree := f.free[e.City]
	if !e.Available || tree == nil {
		return
	}
	tree.Delete(e)
	if tree.Len() == 0 {
		delete(f.free, e.City)
	}
}

// alongCurve orders a city's tree.
func alongCurve(a, b *entry) bool {
	return cmp.Or(cmp.Compare(a.cell, b.cell), strings.Compare(a.Driver, b.Driver)) < 0
}

// near returns the free drivers of city within radius metres of a point, nearest
// first and by id where equally near, at most limit of them.
//
// It searches a small circle first and widens it until it holds enough: any
// driver outside a circle is farther than all inside.
func (f *fleet) near(city string, at s2.LatLng, limit int, radius float64, now time.Time) []neighbour {
	f.mu.RLock()
	defer f.mu.RUnlock()
	tree := f.free[city]
	if tree == nil {
		return nil
	}
	centre := s2.PointFromLatLng(at)
	for circle := firstCircle(radius, limit, tree.Len()); ; circle *= 2 {
		circle = min(circle, radius)
		found := f.within(tree, area{centre, circle}, limit, now)
		if len(found) == limit || circle == radius {
			return found
		}
	}
}

// minCircle is the least circle worth a search of its own, in metres.
const minCircle = 250

// firstCircle guesses the circle that holds twice limit drivers: few searches
// where they are many, one where they are few.
func firstCircle(radius float64, limit, drivers int) float64 {
	circle := radius
	for circle > 2*minCircle && drivers > 8*limit {
		circle, drivers = circle/2, drivers/4
	}
	return circle
}

// earthRadius is the mean radius in metres, as S2 has it in its package earth
// (Yoder 1995, Global Earth Physics, AGU Reference Shelf 1, table 2).
const earthRadius = 6371010

func nearest(a, b neighbour) int {
	return cmp.Or(cmp.Compare(a.distance, b.distance), strings.Compare(a.Driver, b.Driver))
}

// margin widens the cells searched, so that rounding loses no driver at the rim;
// distances decide. 1e-12 rad is 6 µm on the ground.
const margin = s1.Angle(1e-12)

// area is what lies within radius metres of centre.
type area struct {
	centre s2.Point
	radius float64
}

// within returns the nearest drivers of an area, in order, at most limit of them.
func (f *fleet) within(tree *btree.BTreeG[*entry], a area, limit int, now time.Time) []neighbour {
	angle := s1.Angle(a.radius / earthRadius)
	var found []neighbour
	for _, cell := range s2.CapFromCenterAngle(a.centre, angle+margin).CellUnionBound() {
		last := cell.RangeMax()
		tree.Ascend(&entry{cell: cell.RangeMin()}, func(e *entry) bool {
			if e.cell > last {
				return false
			}
			distance := float64(a.centre.Distance(e.point)) * earthRadius
			if distance <= a.radius && f.holds(e, now) {
				found = keepNearest(found, neighbour{e.Position, distance}, limit)
			}
			return true
		})
	}
	return found
}

// keepNearest adds n to found, which is in order, unless limit of them are nearer.
// Many more may be found where drivers stand together, such as at an airport.
func keepNearest(found []neighbour, n neighbour, limit int) []neighbour {
	if len(found) == limit {
		if nearest(n, found[limit-1]) >= 0 {
			return found
		}
		found = found[:limit-1]
	}
	at, _ := slices.BinarySearchFunc(found, n, nearest)
	return slices.Insert(found, at, n)
}

// holds reports whether e's position is still believed.
func (f *fleet) holds(e *entry, now time.Time) bool { return now.Before(e.At.Add(f.expiry)) }

// page returns up to limit positions that still hold, by driver, of drivers whose id
// sorts after the given one.
func (f *fleet) page(after string, limit int, now time.Time) []Position {
	f.mu.RLock()
	var page []Position
	for driver, e := range f.drivers {
		if driver > after && f.holds(e, now) {
			page = append(page, e.Position)
		}
	}
	f.mu.RUnlock()
	slices.SortFunc(page, func(a, b Position) int { return strings.Compare(a.Driver, b.Driver) })
	return page[:min(limit, len(page))]
}

// sweep drops the positions that no longer hold.
func (f *fleet) sweep(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for driver, e := range f.drivers {
		if !f.holds(e, now) {
			delete(f.drivers, driver)
			f.unindex(e)
		}
	}
}

// expire sweeps until ctx ends.
func (f *fleet) expire(ctx context.Context) error {
	tick := time.NewTicker(f.expiry / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			f.sweep(now)
		}
	}
}
