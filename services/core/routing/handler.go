package routing

import (
	"context"

	routingpb "github.com/hansom-platform/hansom/proto/taxi/routing"
)

// handler serves the contract of core.routing.
type handler struct {
	speed func(ctx context.Context, city string) (float64, error) // m/s in free-flowing traffic
}

func (h *handler) Matrix(ctx context.Context, r *routingpb.MatrixRequest) (*routingpb.MatrixResponse, error) {
	ways, err := matrix(r.GetOrigins(), r.GetDestination())
	if err != nil {
		return nil, err
	}
	speed, err := h.speed(ctx, r.GetCity())
	if err != nil {
		return nil, err
	}
	response := &routingpb.MatrixResponse{Ways: make([]*routingpb.Way, len(ways))}
	for i, distance := range ways {
		response.Ways[i] = &routingpb.Way{DistanceM: distance, DurationS: distance / speed}
	}
	return response, nil
}
