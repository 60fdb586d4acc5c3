package sim

import (
	"math"
	"math/rand/v2"
	"time"
)

// taxi moves through a city: it drives from corner to corner of a street grid,
// waits at some of them, and takes fares now and then. All chance comes from its
// seed and is drawn when something happens, never per step: steps of any length
// that add up to the same time lead to the same place.
type taxi struct {
	city city
	rand *rand.Rand
	grid float64 // direction of the city's streets, radians; the same for a fleet

	at       spot
	corners  []spot  // still to be driven to
	pace     float64 // to the next corner, m/s
	heading  float64 // degrees clockwise from north
	wait     float64 // seconds to stand before going on
	occupied bool

	reported bool // the API has heard of it
}

// spot is metres east and north of the city's centre.
type spot struct{ east, north float64 }

// reach is how far taxis go, as a part of the city's radius. The corner of two
// streets between spots within it is at most √2 × reach = 0.92 of the radius from
// the centre: inside the city's area.
const reach = 0.65

func newTaxi(seed uint64, number int, c city) *taxi {
	t := &taxi{
		city: c,
		rand: rand.New(rand.NewPCG(seed, uint64(number))),
		grid: rand.New(rand.NewPCG(seed, math.MaxUint64)).Float64() * math.Pi / 2,
	}
	t.at = t.anywhere()
	t.heading = t.rand.Float64() * 360
	t.wait = t.rand.Float64() * 60
	return t
}

// step lets seconds pass.
func (t *taxi) step(seconds float64) {
	for seconds > 0 {
		switch {
		case t.wait > 0:
			stood := min(t.wait, seconds)
			t.wait -= stood
			seconds -= stood
		case len(t.corners) == 0:
			t.depart()
		default:
			seconds = t.roll(seconds)
		}
	}
}

// roll drives towards the next corner and returns the seconds left on arrival.
func (t *taxi) roll(seconds float64) float64 {
	to := t.corners[0]
	east, north := to.east-t.at.east, to.north-t.at.north
	whole := math.Hypot(east, north) / t.pace
	if whole > seconds {
		part := seconds / whole
		t.at.east += part * east
		t.at.north += part * north
		return 0
	}
	t.at, t.corners = to, t.corners[1:]
	t.arrive()
	return seconds - whole
}

// arrive decides what happens at a corner.
func (t *taxi) arrive() {
	if len(t.corners) == 0 {
		t.occupied = false
		t.wait = 10 + 50*t.rand.Float64()
		return
	}
	if t.rand.Float64() < 0.5 { // a red light
		t.wait = 5 + 25*t.rand.Float64()
	}
	t.turn()
}

// depart begins a ride: with a fare to anywhere, else around the block.
func (t *taxi) depart() {
	t.occupied = t.rand.Float64() < 0.4
	to := t.anywhere()
	if !t.occupied {
		to = within(reach*t.city.Radius, spot{
			t.at.east + 1500*(2*t.rand.Float64()-1),
			t.at.north + 1500*(2*t.rand.Float64()-1),
		})
	}
	t.corners = t.route(to)
	t.turn()
}

// turn faces the next corner.
func (t *taxi) turn() {
	t.pace = t.city.Speed * (0.6 + 0.8*t.rand.Float64())
	to := t.corners[0]
	if east, north := to.east-t.at.east, to.north-t.at.north; east != 0 || north != 0 {
		t.heading = math.Mod(math.Atan2(east, north)*180/math.Pi+360, 360)
	}
}

// route goes along the streets: some way along one, all the way along a crossing
// one, the rest along a parallel of the first.
func (t *taxi) route(to spot) []spot {
	angle := t.grid
	if t.rand.Float64() < 0.5 {
		angle += math.Pi / 2
	}
	sin, cos := math.Sincos(angle)
	along := (to.east-t.at.east)*cos + (to.north-t.at.north)*sin
	part := t.rand.Float64() * along
	across := spot{to.east - t.at.east - along*cos, to.north - t.at.north - along*sin}
	first := spot{t.at.east + part*cos, t.at.north + part*sin}
	return []spot{first, {first.east + across.east, first.north + across.north}, to}
}

// anywhere draws a spot, likelier near the centre: normally distributed, with a
// deviation of a fifth of the radius.
func (t *taxi) anywhere() spot {
	deviation := t.city.Radius / 5
	return within(reach*t.city.Radius, spot{deviation * t.rand.NormFloat64(), deviation * t.rand.NormFloat64()})
}

// within pulls s back to limit metres from the centre.
func within(limit float64, s spot) spot {
	if far := math.Hypot(s.east, s.north); far > limit {
		return spot{s.east * limit / far, s.north * limit / far}
	}
	return s
}

// degree is the length of a degree of a great circle, in metres, on a sphere of
// the Earth's mean radius.
const degree = 6371010 * math.Pi / 180

// point is the report of where the taxi is.
func (t *taxi) point(me driver, available bool) point {
	return point{
		Driver:    me.ID,
		City:      t.city.Code,
		Lat:       t.city.Lat + t.at.north/degree,
		Lng:       math.Remainder(t.city.Lng+t.at.east/degree/math.Cos(t.city.Lat*math.Pi/180), 360),
		Heading:   t.heading,
		Available: available,
		At:        time.Now().UTC().Format(time.RFC3339Nano),
	}
}
