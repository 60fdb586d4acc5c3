package profile

import (
	"context"

	profilepb "github.com/hansom-platform/hansom/proto/taxi/profile"
)

// handler serves the contract of core.profile.
type handler struct{ registrar *registrar }

func (h *handler) Read(_ context.Context, r *profilepb.ReadRequest) (*profilepb.ReadResponse, error) {
	found, err := h.registrar.read(r.GetIds())
	if err != nil {
		return nil, err
	}
	return &profilepb.ReadResponse{Drivers: messages(found)}, nil
}

func (h *handler) Write(ctx context.Context, r *profilepb.WriteRequest) (*profilepb.WriteResponse, error) {
	if err := h.registrar.write(ctx, driver(r.GetDriver())); err != nil {
		return nil, err
	}
	return new(profilepb.WriteResponse), nil
}

// pageSize keeps a page far below what a message may hold.
const pageSize = 1000

func (h *handler) Dump(_ context.Context, r *profilepb.DumpRequest) (*profilepb.DumpResponse, error) {
	page := h.registrar.book.page(r.GetAfter(), pageSize)
	response := &profilepb.DumpResponse{Drivers: messages(page)}
	if len(page) == pageSize {
		response.Next = page[pageSize-1].ID
	}
	return response, nil
}

func messages(drivers []Driver) []*profilepb.Driver {
	all := make([]*profilepb.Driver, len(drivers))
	for i, d := range drivers {
		all[i] = message(d)
	}
	return all
}

func message(d Driver) *profilepb.Driver {
	return &profilepb.Driver{Id: d.ID, Name: d.Name, Vehicle: d.Vehicle, Plate: d.Plate, Revision: d.Revision}
}

func driver(m *profilepb.Driver) Driver {
	return Driver{ID: m.GetId(), Name: m.GetName(), Vehicle: m.GetVehicle(), Plate: m.GetPlate(), Revision: m.GetRevision()}
}
