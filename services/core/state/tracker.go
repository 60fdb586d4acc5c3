package state

import (
	"context"
	"time"

	"github.com/golang/geo/s2"

	"github.com/hansom-platform/hansom/fault"
)

// tracker decides what is taken and what may be asked.
type tracker struct {
	fleet   *fleet
	expiry  time.Duration
	publish func(context.Context, Position) error
}

// report takes a position and tells all instances. When telling fails the report
// fails; the driver's next one makes it good, and so does repeating it.
func (t *tracker) report(ctx context.Context, p Position) error {
	if err := p.validate(time.Now(), t.expiry); err != nil {
		return err
	}
	if !t.fleet.hasRoom(p.Driver) {
		return fault.New(fault.Unavailable, "core.state.report.full", "no more than %d drivers can be kept", t.fleet.capacity)
	}
	t.fleet.put(p)
	return t.publish(ctx, p)
}

// Limits of near.
const (
	defaultLimit  = 10
	maxLimit      = 100
	defaultRadius = 5_000 // m
	maxRadius     = 50_000
)

// query is what near is asked. Zero Limit and Radius take the defaults.
type query struct {
	City     string
	Lat, Lng float64
	Limit    uint32
	Radius   float64 // m
}

func (q query) validate() error {
	switch {
	case !cityCode.MatchString(q.City):
		return refuse("near.bad_city", "city %.20q: want three capital letters", q.City)
	case !onEarth(q.Lat, q.Lng):
		return refuse("near.bad_point", "point %g, %g: want lat -90 to 90 and lng -180 to 180", q.Lat, q.Lng)
	case q.Limit > maxLimit:
		return refuse("near.bad_limit", "limit %d: want at most %d", q.Limit, maxLimit)
	case !(0 <= q.Radius && q.Radius <= maxRadius):
		return refuse("near.bad_radius", "radius_m %g: want 0 to %d", q.Radius, maxRadius)
	}
	return nil
}

// near lists the free drivers around a point, nearest first.
func (t *tracker) near(q query) ([]neighbour, error) {
	if err := q.validate(); err != nil {
		return nil, err
	}
	if q.Limit == 0 {
		q.Limit = defaultLimit
	}
	if q.Radius == 0 {
		q.Radius = defaultRadius
	}
	at := s2.LatLngFromDegrees(q.Lat, q.Lng)
	return t.fleet.near(q.City, at, int(q.Limit), q.Radius, time.Now()), nil
}
