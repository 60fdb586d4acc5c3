package sim

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

var london = city{Code: "LON", Lat: 51.5074, Lng: -0.1278, Radius: 25_000, Speed: 7.5}

func metres(a, b spot) float64 { return math.Hypot(a.east-b.east, a.north-b.north) }

func TestMovementIsDeterminedBySeedAndTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed, number := rapid.Uint64().Draw(t, "seed"), rapid.IntRange(0, 1000).Draw(t, "number")
		steps := rapid.SliceOfN(rapid.Float64Range(0, 60), 1, 50).Draw(t, "steps")
		one, two := newTaxi(seed, number, london), newTaxi(seed, number, london)
		total := 0.0
		for _, s := range steps {
			one.step(s)
			total += s
		}
		two.step(total)
		if far := metres(one.at, two.at); far > 0.01 {
			t.Fatalf("%d steps against one of %g s: want one place, got %g m apart", len(steps), total, far)
		}
	})
}

func TestTaxisStayInTheCityAndKeepTheSpeed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := london
		c.Radius = rapid.Float64Range(1000, 100_000).Draw(t, "radius")
		taxi := newTaxi(rapid.Uint64().Draw(t, "seed"), 0, c)
		for range 500 {
			before := taxi.at
			taxi.step(5)
			if far := metres(taxi.at, spot{}); far > 0.93*c.Radius {
				t.Fatalf("want within %g m of the centre, got %g", 0.93*c.Radius, far)
			}
			if speed := metres(before, taxi.at) / 5; speed > 1.41*c.Speed {
				t.Fatalf("want at most %g m/s, got %g", 1.4*c.Speed, speed)
			}
			if !(0 <= taxi.heading && taxi.heading < 360) {
				t.Fatalf("want a heading of 0 to 360, got %g", taxi.heading)
			}
		}
	})
}

func TestTheHeadingIsThatOfTheMovement(t *testing.T) {
	taxi := newTaxi(1, 1, london)
	taxi.wait, taxi.at, taxi.corners = 0, spot{}, []spot{{0, 1000}, {1000, 1000}}
	taxi.turn()
	if taxi.heading != 0 {
		t.Errorf("driving north: want heading 0, got %g", taxi.heading)
	}
	taxi.arriveAt(spot{0, 1000})
	if taxi.heading != 90 {
		t.Errorf("driving east: want heading 90, got %g", taxi.heading)
	}
}

// arriveAt puts the taxi at its next corner.
func (t *taxi) arriveAt(corner spot) {
	t.at, t.corners = corner, t.corners[1:]
	t.arrive()
}

func TestAFleetIsPartlyOccupied(t *testing.T) {
	free, all := 0, 400
	for number := range all {
		taxi := newTaxi(7, number, london)
		taxi.step(3600)
		if !taxi.occupied {
			free++
		}
	}
	if share := float64(free) / float64(all); share < 0.2 || share > 0.8 {
		t.Errorf("after an hour: want between a fifth and four fifths of %d taxis free, got %g", all, share)
	}
}

func TestTwoFleetsShareNoIDs(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(3) {
		for number := range 100 {
			id := newDriver(seed+1, number, "LON").ID
			if seen[id] {
				t.Fatalf("id %s: want it once, got it twice", id)
			}
			seen[id] = true
		}
	}
}

func BenchmarkStep(b *testing.B) {
	taxi := newTaxi(1, 1, london)
	b.ReportAllocs()
	for b.Loop() {
		taxi.step(5)
	}
}
