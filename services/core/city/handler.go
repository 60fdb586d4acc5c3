package city

import (
	"context"
	"maps"

	"github.com/hansom-platform/hansom/fault"
	citypb "github.com/hansom-platform/hansom/proto/taxi/city"
)

// handler serves the contract of core.city.
type handler struct{ documents *documents }

// change is what a write says of itself.
type change struct {
	message string
	dryRun  bool
}

func (h *handler) Read(_ context.Context, r *citypb.ReadRequest) (*citypb.ReadResponse, error) {
	cities, err := h.documents.cities()
	if err != nil {
		return nil, err
	}
	city, err := cities.city(r.GetCode())
	if err != nil {
		return nil, err
	}
	return &citypb.ReadResponse{City: message(city)}, nil
}

func (h *handler) List(context.Context, *citypb.ListRequest) (*citypb.ListResponse, error) {
	cities, err := h.documents.cities()
	if err != nil {
		return nil, err
	}
	response := new(citypb.ListResponse)
	for _, city := range cities.all() {
		response.Cities = append(response.Cities, message(city))
	}
	return response, nil
}

func (h *handler) Update(ctx context.Context, r *citypb.UpdateRequest) (*citypb.UpdateResponse, error) {
	old, err := h.documents.read(ctx, r.GetCode())
	if err != nil {
		return nil, err
	}
	city, document, err := derive(old.GetJson(), r.GetCode(), r.GetSet())
	if err != nil {
		return nil, err
	}
	different, err := differences(old.GetJson(), document)
	if err != nil {
		return nil, err
	}
	revision, err := h.documents.write(ctx, r.GetCode(), document, old.GetRevision(), change{r.GetMessage(), r.GetDryRun()})
	if err != nil {
		return nil, err
	}
	return &citypb.UpdateResponse{City: message(city), Differences: different, Revision: revision}, nil
}

func (h *handler) Clone(ctx context.Context, r *citypb.CloneRequest) (*citypb.CloneResponse, error) {
	if !codePattern.MatchString(r.GetTo()) {
		return nil, fault.New(fault.BadRequest, "core.city.clone.bad_code", "the new city's code is %.20q: want three capital letters, such as DUB", r.GetTo())
	}
	source, err := h.documents.read(ctx, r.GetFrom())
	if err != nil {
		return nil, err
	}
	set := map[string]string{"code": r.GetTo()}
	maps.Copy(set, r.GetSet())
	city, document, err := derive(source.GetJson(), r.GetTo(), set)
	if err != nil {
		return nil, err
	}
	different, err := differences(source.GetJson(), document)
	if err != nil {
		return nil, err
	}
	revision, err := h.documents.write(ctx, r.GetTo(), document, 0, change{r.GetMessage(), r.GetDryRun()})
	if fault.Is(err, fault.Conflict) {
		return nil, fault.Wrap(err, fault.Conflict, "core.city.clone.exists", "there is a city %s already; change it with update", r.GetTo())
	}
	if err != nil {
		return nil, err
	}
	return &citypb.CloneResponse{
		City: message(city), Differences: different, Warnings: alike(source.GetJson(), r.GetFrom(), city), Revision: revision,
	}, nil
}

// derive makes a city's document out of another.
func derive(document []byte, code string, set map[string]string) (City, []byte, error) {
	document, err := substitute(document, set)
	if err != nil {
		return City{}, nil, err
	}
	city, err := parse(code, document)
	if err != nil {
		return City{}, nil, fault.New(fault.BadRequest, "core.city.invalid", "this would be no city: %s", err)
	}
	return city, document, nil
}

// alike warns of what two cities can hardly have in common.
func alike(document []byte, from string, clone City) []string {
	original, err := parse(from, document)
	if err != nil {
		return nil
	}
	var warnings []string
	if original.Name == clone.Name {
		warnings = append(warnings, "the name is that of "+from+": "+clone.Name)
	}
	if original.Lat == clone.Lat && original.Lng == clone.Lng {
		warnings = append(warnings, "the centre is that of "+from)
	}
	return warnings
}

func message(c City) *citypb.Details {
	return &citypb.Details{
		Code: c.Code, Name: c.Name,
		Lat: c.Lat, Lng: c.Lng, RadiusM: c.Radius,
		SpeedMps: c.Speed, Timezone: c.Timezone,
	}
}
