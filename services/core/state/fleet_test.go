package state

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/golang/geo/s2"
	"pgregory.net/rapid"

	"github.com/hansom-platform/hansom/fault"
)

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

const expiry = 30 * time.Second

// haversine is the great-circle distance in metres, by a formula of its own (R. W.
// Sinnott, Virtues of the Haversine, Sky and Telescope 68, 1984).
func haversine(lat1, lng1, lat2, lng2 float64) float64 {
	rad := math.Pi / 180
	a := math.Pow(math.Sin((lat2-lat1)*rad/2), 2) +
		math.Cos(lat1*rad)*math.Cos(lat2*rad)*math.Pow(math.Sin((lng2-lng1)*rad/2), 2)
	return 2 * earthRadius * math.Asin(min(1, math.Sqrt(a)))
}

// drawPositions draws positions about a centre, some free and some not, some
// expired, and now and then two of them in one place.
func drawPositions(t *rapid.T, lat, lng float64) []Position {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Position {
		spread := rapid.SampledFrom([]float64{0, 0.001, 0.02, 0.5}).Draw(t, "spread")
		return Position{
			Driver:    fmt.Sprint("d", rapid.IntRange(0, 200).Draw(t, "driver")),
			City:      rapid.SampledFrom([]string{"LON", "LON", "LON", "DUB"}).Draw(t, "city"),
			Lat:       lat + spread*rapid.Float64Range(-1, 1).Draw(t, "dlat"),
			Lng:       math.Remainder(lng+spread*rapid.Float64Range(-1, 1).Draw(t, "dlng"), 360),
			Available: rapid.IntRange(0, 3).Draw(t, "free") > 0,
			At:        noon.Add(-time.Duration(rapid.IntRange(0, 33).Draw(t, "age")) * time.Second),
		}
	}), 0, 300).Draw(t, "positions")
}

// newestOf is the picture that all reports together make.
func newestOf(reports []Position) map[string]Position {
	newest := map[string]Position{}
	for _, p := range reports {
		if known, ok := newest[p.Driver]; !ok || p.newer(known) {
			newest[p.Driver] = p
		}
	}
	return newest
}

// TestNearAgainstBruteForce searches in London, across the antimeridian and near
// a pole.
func TestNearAgainstBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		centre := rapid.SampledFrom([][2]float64{{51.5, -0.12}, {-17, 179.999}, {89.6, 40}}).Draw(t, "centre")
		reports := drawPositions(t, centre[0], centre[1])
		limit := rapid.IntRange(1, 40).Draw(t, "limit")
		radius := rapid.SampledFrom([]float64{1, 100, 2500, 5000, 50_000}).Draw(t, "radius")

		f := newFleet(expiry)
		for _, p := range reports {
			f.put(p)
		}
		got := f.near("LON", s2.LatLngFromDegrees(centre[0], centre[1]), limit, radius, noon)

		var want []neighbour
		for _, p := range newestOf(reports) {
			d := haversine(centre[0], centre[1], p.Lat, p.Lng)
			if p.City == "LON" && p.Available && noon.Before(p.At.Add(expiry)) && d <= radius {
				want = append(want, neighbour{p, d})
			}
		}
		slices.SortFunc(want, nearest)
		want = want[:min(limit, len(want))]
		if len(got) != len(want) {
			t.Fatalf("near within %g m, limit %d: want %d drivers, got %d", radius, limit, len(want), len(got))
		}
		for i := range want {
			if math.Abs(got[i].distance-want[i].distance) > 0.001 {
				t.Fatalf("near[%d]: want distance %.6f, got %.6f", i, want[i].distance, got[i].distance)
			}
			if i > 0 && nearest(got[i-1], got[i]) >= 0 {
				t.Fatalf("near[%d]: want nearest first, got %g after %g", i, got[i].distance, got[i-1].distance)
			}
		}
	})
}

func TestAllInstancesAgreeWhateverTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		reports := drawPositions(t, 51.5, -0.12)
		f := newFleet(expiry)
		for _, p := range rapid.Permutation(reports).Draw(t, "order") {
			f.put(p)
		}
		want := newestOf(reports)
		if len(f.drivers) != len(want) {
			t.Fatalf("want %d drivers, got %d", len(want), len(f.drivers))
		}
		free := 0
		for driver, p := range want {
			if got := f.drivers[driver].Position; got != p {
				t.Fatalf("driver %s: want %+v, got %+v", driver, p, got)
			}
			if p.Available {
				free++
			}
		}
		indexed := 0
		for _, tree := range f.free {
			indexed += tree.Len()
		}
		if indexed != free {
			t.Fatalf("want %d free drivers indexed, got %d", free, indexed)
		}
	})
}

func TestSweepLeavesNothingOfTheExpired(t *testing.T) {
	f := newFleet(expiry)
	f.put(Position{Driver: "old", City: "LON", Available: true, At: noon.Add(-expiry)})
	f.put(Position{Driver: "new", City: "LON", Available: true, At: noon.Add(-expiry + 1)})
	f.sweep(noon)
	if len(f.drivers) != 1 || f.free["LON"].Len() != 1 || f.drivers["new"] == nil {
		t.Errorf("after a sweep: want only the driver new, got %v", f.drivers)
	}
	f.sweep(noon.Add(time.Second))
	if len(f.drivers) != 0 || len(f.free) != 0 {
		t.Errorf("after the last expired: want nothing kept, got %d drivers in %d cities", len(f.drivers), len(f.free))
	}
}

func TestPagesHoldEveryDriverOnce(t *testing.T) {
	f := newFleet(expiry)
	for i := range 25 {
		f.put(Position{Driver: fmt.Sprintf("d%02d", i), City: "LON", At: noon})
	}
	var got []string
	after := ""
	for {
		page := f.page(after, 10, noon)
		for _, p := range page {
			got = append(got, p.Driver)
		}
		if len(page) < 10 {
			break
		}
		after = page[9].Driver
	}
	if len(got) != 25 || !slices.IsSorted(got) {
		t.Errorf("want 25 drivers in order, got %v", got)
	}
}

func TestNoMoreDriversThanThereIsRoomFor(t *testing.T) {
	f := newFleet(expiry)
	f.capacity = 1
	tracker := &tracker{fleet: f, expiry: expiry, publish: func(context.Context, Position) error { return nil }}
	report := func(driver string) error {
		return tracker.report(t.Context(), Position{Driver: driver, City: "LON", At: time.Now()})
	}
	for driver, reason := range map[string]string{"a": "", "b": "core.state.report.full"} {
		f.put(Position{Driver: "a", City: "LON", At: time.Now().Add(-time.Second)})
		if err := report(driver); fault.ReasonOf(err) != reason {
			t.Errorf("report of driver %s where only a has room: want reason %q, got %v", driver, reason, err)
		}
	}
}

// london spreads n drivers over a square of 40 km about the city's centre.
func london(n int) *fleet {
	f := newFleet(expiry)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		f.put(somewhere(r, i, noon))
	}
	return f
}

func somewhere(r *rand.Rand, driver int, at time.Time) Position {
	return Position{
		Driver: fmt.Sprintf("driver-%05d", driver), City: "LON", Available: true, At: at,
		Lat: 51.5074 + (r.Float64()-0.5)*0.36, Lng: -0.1278 + (r.Float64()-0.5)*0.58,
	}
}

func BenchmarkNear10kDrivers(b *testing.B) {
	f := london(10_000)
	at := s2.LatLngFromDegrees(51.5074, -0.1278)
	b.ReportAllocs()
	for b.Loop() {
		if got := f.near("LON", at, 10, defaultRadius, noon); len(got) != 10 {
			b.Fatalf("want 10 drivers, got %d", len(got))
		}
	}
}

func BenchmarkNear10kDriversInOnePlace(b *testing.B) {
	f := newFleet(expiry)
	for i := range 10_000 {
		f.put(Position{Driver: fmt.Sprint(i), City: "LON", Lat: 51.5074, Lng: -0.1278, Available: true, At: noon})
	}
	at := s2.LatLngFromDegrees(51.5074, -0.1278)
	b.ReportAllocs()
	for b.Loop() {
		if got := f.near("LON", at, 10, defaultRadius, noon); len(got) != 10 {
			b.Fatalf("want 10 drivers, got %d", len(got))
		}
	}
}

func BenchmarkPut10kDrivers(b *testing.B) {
	f := london(10_000)
	r := rand.New(rand.NewPCG(3, 4))
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		f.put(somewhere(r, i%10_000, noon.Add(time.Duration(i))))
	}
}
