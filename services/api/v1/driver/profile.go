package driver

import (
	"context"
	"net/http"

	profilepb "github.com/hansom-platform/hansom/proto/taxi/profile"
	"github.com/hansom-platform/hansom/services/api/v1/edge"
)

// profiles takes drivers' profiles.
type profiles struct {
	write func(context.Context, *profilepb.WriteRequest) (*profilepb.WriteResponse, error)
}

// profile is the body of PUT /v1/driver/profile.
type profile struct {
	Driver  string `json:"driver_id"` // the user where missing
	Name    string `json:"name"`
	Vehicle string `json:"vehicle"`
	Plate   string `json:"plate"`
}

// put checks that the fields are there; what they may hold is for core.profile to
// say.
func (p *profiles) put(r *http.Request) (any, error) {
	body := new(profile)
	if err := edge.Decode(r, body); err != nil {
		return nil, err
	}
	if err := actsFor(r.Context(), &body.Driver); err != nil {
		return nil, err
	}
	if err := edge.Require(
		edge.Field{Name: "driver_id", Given: body.Driver != ""},
		edge.Field{Name: "name", Given: body.Name != ""},
		edge.Field{Name: "vehicle", Given: body.Vehicle != ""},
		edge.Field{Name: "plate", Given: body.Plate != ""},
	); err != nil {
		return nil, err
	}
	_, err := p.write(r.Context(), &profilepb.WriteRequest{Driver: &profilepb.Driver{
		Id: body.Driver, Name: body.Name, Vehicle: body.Vehicle, Plate: body.Plate,
	}})
	return nil, err
}
