package state

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	statepb "github.com/hansom-platform/hansom/proto/taxi/state"
)

// handler serves the contract of core.state.
type handler struct{ tracker *tracker }

func (h *handler) Report(ctx context.Context, r *statepb.ReportRequest) (*statepb.ReportResponse, error) {
	if err := h.tracker.report(ctx, position(r.GetPosition())); err != nil {
		return nil, err
	}
	return new(statepb.ReportResponse), nil
}

func (h *handler) Near(_ context.Context, r *statepb.NearRequest) (*statepb.NearResponse, error) {
	found, err := h.tracker.near(query{
		City: r.GetCity(), Lat: r.GetLat(), Lng: r.GetLng(), Limit: r.GetLimit(), Radius: r.GetRadiusM(),
	})
	if err != nil {
		return nil, err
	}
	response := &statepb.NearResponse{Drivers: make([]*statepb.Near, len(found))}
	for i, n := range found {
		response.Drivers[i] = &statepb.Near{Position: message(n.Position), DistanceM: n.distance}
	}
	return response, nil
}

// pageSize keeps a page far below what a message may hold.
const pageSize = 2000

func (h *handler) Dump(_ context.Context, r *statepb.DumpRequest) (*statepb.DumpResponse, error) {
	page := h.tracker.fleet.page(r.GetAfter(), pageSize, time.Now())
	response := &statepb.DumpResponse{Positions: make([]*statepb.Position, len(page))}
	for i, p := range page {
		response.Positions[i] = message(p)
	}
	if len(page) == pageSize {
		response.Next = page[pageSize-1].Driver
	}
	return response, nil
}

func message(p Position) *statepb.Position {
	return &statepb.Position{
		Driver: p.Driver, City: p.City,
		Lat: p.Lat, Lng: p.Lng, Heading: p.Heading,
		Available: p.Available, At: timestamppb.New(p.At),
	}
}

// position reads a message. A missing time is long past, so that validation
// refuses it.
func position(m *statepb.Position) Position {
	return Position{
		Driver: m.GetDriver(), City: m.GetCity(),
		Lat: m.GetLat(), Lng: m.GetLng(), Heading: m.GetHeading(),
		Available: m.GetAvailable(), At: m.GetAt().AsTime(),
	}
}
