package customer

import (
	"context"
	"math"
	"net/http"

	neardriverspb "github.com/hansom-platform/hansom/proto/taxi/neardrivers"
	"github.com/hansom-platform/hansom/services/api/v1/edge"
)

// nearDrivers answers which drivers a customer may be offered.
type nearDrivers struct {
	cities interface {
		Covers(ctx context.Context, city string, lat, lng float64) error
	}
	find func(context.Context, *neardriverspb.FindRequest) (*neardriverspb.FindResponse, error)
}

// listing is the answer: drivers nearest first, an empty list where there is none.
type listing struct {
	City    string   `json:"city"`
	Drivers []driver `json:"drivers"`
}

type driver struct {
	ID       string  `json:"id"`
	Name     string  `json:"name"`
	Vehicle  string  `json:"vehicle"`
	Lat      float64 `json:"lat"` // degrees, WGS 84, 6 decimals: a tenth of a metre
	Lng      float64 `json:"lng"`
	Distance int64   `json:"distance_m"` // as the crow flies
	ETA      int64   `json:"eta_s"`
}

// maxLimit is that of orchestration.neardrivers.
const maxLimit = 50

func (n *nearDrivers) list(r *http.Request) (any, error) {
	request, err := parse(r)
	if err != nil {
		return nil, err
	}
	if err := n.cities.Covers(r.Context(), request.City, request.Lat, request.Lng); err != nil {
		return nil, err
	}
	found, err := n.find(r.Context(), request)
	if err != nil {
		return nil, err
	}
	return show(request.City, found.GetDrivers()), nil
}

func parse(r *http.Request) (*neardriverspb.FindRequest, error) {
	q := edge.QueryOf(r)
	request := &neardriverspb.FindRequest{
		City:  q.Text("city"),
		Lat:   q.Number("lat", -90, 90),
		Lng:   q.Number("lng", -180, 180),
		Limit: q.Count("limit", maxLimit),
	}
	return request, q.Err()
}

func show(city string, found []*neardriverspb.Driver) listing {
	drivers := make([]driver, len(found))
	for i, d := range found {
		drivers[i] = driver{
			ID: d.GetId(), Name: d.GetName(), Vehicle: d.GetVehicle(),
			Lat: micro(d.GetLat()), Lng: micro(d.GetLng()),
			Distance: int64(math.Round(d.GetDistanceM())), ETA: int64(math.Round(d.GetEtaS())),
		}
	}
	return listing{city, drivers}
}

// micro rounds degrees to 6 decimals.
func micro(degrees float64) float64 { return math.Round(degrees*1e6) / 1e6 }
