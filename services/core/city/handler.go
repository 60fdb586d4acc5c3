package city

import (
	"context"

	citypb "github.com/hansom-platform/hansom/proto/taxi/city"
)

// handler serves the contract of core.city.
type handler struct{ cities *catalogue }

func (h *handler) Read(_ context.Context, r *citypb.ReadRequest) (*citypb.ReadResponse, error) {
	city, err := h.cities.city(r.GetCode())
	if err != nil {
		return nil, err
	}
	return &citypb.ReadResponse{City: message(city)}, nil
}

func (h *handler) List(context.Context, *citypb.ListRequest) (*citypb.ListResponse, error) {
	response := new(citypb.ListResponse)
	for _, city := range h.cities.all() {
		response.Cities = append(response.Cities, message(city))
	}
	return response, nil
}

func message(c City) *citypb.Details {
	return &citypb.Details{
		Code: c.Code, Name: c.Name,
		Lat: c.Lat, Lng: c.Lng, RadiusM: c.Radius,
		SpeedMps: c.Speed, Timezone: c.Timezone,
	}
}
