package driver

import (
	"context"
	"math"
	"net/http"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	statepb "github.com/hansom-platform/hansom/proto/taxi/state"
	"github.com/hansom-platform/hansom/services/api/v1/edge"
)

// points takes drivers' position reports.
type points struct {
	cities interface {
		Covers(ctx context.Context, city string, lat, lng float64) error
	}
	report func(context.Context, *statepb.ReportRequest) (*statepb.ReportResponse, error)
}

// point is the body of POST /v1/driver/point.
type point struct {
	Driver    string   `json:"driver_id"` // the user where missing
	City      string   `json:"city"`
	Lat       *float64 `json:"lat"` // degrees, WGS 84
	Lng       *float64 `json:"lng"`
	Heading   float64  `json:"heading"` // degrees clockwise from north; 0 where not known
	Available *bool    `json:"available"`
	At        string   `json:"at"` // RFC 3339; now where missing
}

func (p *points) post(r *http.Request) (any, error) {
	body := new(point)
	if err := edge.Decode(r, body); err != nil {
		return nil, err
	}
	if err := actsFor(r.Context(), &body.Driver); err != nil {
		return nil, err
	}
	position, err := body.position(time.Now())
	if err != nil {
		return nil, err
	}
	if err := p.cities.Covers(r.Context(), position.City, position.Lat, position.Lng); err != nil {
		return nil, err
	}
	_, err = p.report(r.Context(), &statepb.ReportRequest{Position: position})
	return nil, err
}

// position checks that the fields are there and are what they should be. What
// they may hold beyond that (ids, headings, times) is for core.state to say.
func (p *point) position(now time.Time) (*statepb.Position, error) {
	err := edge.Require(
		edge.Field{Name: "driver_id", Given: p.Driver != ""},
		edge.Field{Name: "city", Given: p.City != ""},
		edge.Field{Name: "lat", Given: p.Lat != nil},
		edge.Field{Name: "lng", Given: p.Lng != nil},
		edge.Field{Name: "available", Given: p.Available != nil},
	)
	if err != nil {
		return nil, err
	}
	if math.Abs(*p.Lat) > 90 {
		return nil, edge.BadField("lat", "%g: want -90 to 90 degrees", *p.Lat)
	}
	if math.Abs(*p.Lng) > 180 {
		return nil, edge.BadField("lng", "%g: want -180 to 180 degrees", *p.Lng)
	}
	at := now
	if p.At != "" {
		if at, err = time.Parse(time.RFC3339, p.At); err != nil {
			return nil, edge.BadField("at", "%.60q: want a time such as %s", p.At, now.UTC().Format(time.RFC3339))
		}
	}
	return &statepb.Position{
		Driver: p.Driver, City: p.City, Lat: *p.Lat, Lng: *p.Lng,
		Heading: p.Heading, Available: *p.Available, At: timestamppb.New(at),
	}, nil
}
