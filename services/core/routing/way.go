package routing

import (
	"math"

	"github.com/golang/geo/s2"

	"github.com/hansom-platform/hansom/fault"
	routingpb "github.com/hansom-platform/hansom/proto/taxi/routing"
)

// detour is by how much a way by road is longer than the great circle between its
// ends, called circuity or detour index in the literature. Mean values for trips in
// cities lie between about 1.2 and 1.4, and more for trips under a kilometre or
// across water; Levinson and El-Geneidy (The minimum circuity frontier and the
// journey to work, Regional Science and Urban Economics 39, 2009) discuss them for
// journeys to work. 1.35 is chosen towards the upper end, because taxi ways are
// short; it is an assumption, not fitted to any of our cities.
const detour = 1.35

// Limits of a matrix.
const (
	maxOrigins = 100
	maxApart   = 100_000 // m, as the crow flies: no taxi ride inside a city
)

// earthRadius is the mean radius in metres, as S2 has it in its package earth
// (Yoder 1995, Global Earth Physics, AGU Reference Shelf 1, table 2).
const earthRadius = 6371010

// matrix estimates the road distance in metres from each origin to destination.
func matrix(origins []*routingpb.Point, destination *routingpb.Point) ([]float64, error) {
	if n := len(origins); n < 1 || n > maxOrigins {
		return nil, refuse("bad_origins", "%d origins: want 1 to %d", n, maxOrigins)
	}
	if !onEarth(destination) {
		return nil, refuse("bad_point", "destination %s: want lat -90 to 90 and lng -180 to 180", destination)
	}
	ways := make([]float64, len(origins))
	to := latLng(destination)
	for i, origin := range origins {
		if !onEarth(origin) {
			return nil, refuse("bad_point", "origin %d, %s: want lat -90 to 90 and lng -180 to 180", i, origin)
		}
		crow := latLng(origin).Distance(to).Radians() * earthRadius
		if crow > maxApart {
			return nil, refuse("too_far", "origin %d is %.0f km from the destination: want at most %d", i, crow/1000, maxApart/1000)
		}
		ways[i] = crow * detour
	}
	return ways, nil
}

func refuse(reason, message string, args ...any) error {
	return fault.New(fault.BadRequest, "core.routing.matrix."+reason, message, args...)
}

func latLng(p *routingpb.Point) s2.LatLng { return s2.LatLngFromDegrees(p.GetLat(), p.GetLng()) }

func onEarth(p *routingpb.Point) bool {
	return p != nil && math.Abs(p.Lat) <= 90 && math.Abs(p.Lng) <= 180 // false for NaN
}
