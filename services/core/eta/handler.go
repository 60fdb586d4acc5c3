package eta

import (
	"context"
	"time"

	"github.com/hansom-platform/hansom/fault"
	etapb "github.com/hansom-platform/hansom/proto/taxi/eta"
	routingpb "github.com/hansom-platform/hansom/proto/taxi/routing"
)

// handler serves the contract of core.eta.
type handler struct {
	matrix func(context.Context, *routingpb.MatrixRequest) (*routingpb.MatrixResponse, error)
	zone   func(ctx context.Context, city string) (*time.Location, error)
}

// maxOrigins is the limit of a batch.
const maxOrigins = 100

// Estimate checks the size of the batch; core.routing checks the points.
func (h *handler) Estimate(ctx context.Context, r *etapb.EstimateRequest) (*etapb.EstimateResponse, error) {
	n := len(r.GetOrigins())
	if n < 1 || n > maxOrigins {
		return nil, fault.New(fault.BadRequest, "core.eta.estimate.bad_origins", "%d origins: want 1 to %d", n, maxOrigins)
	}
	zone, err := h.zone(ctx, r.GetCity())
	if err != nil {
		return nil, err
	}
	matrix, err := h.matrix(ctx, &routingpb.MatrixRequest{City: r.GetCity(), Origins: r.GetOrigins(), Destination: r.GetDestination()})
	if err != nil {
		return nil, err
	}
	if got := len(matrix.GetWays()); got != n {
		return nil, fault.New(fault.BadResponse, "core.eta.estimate.bad_matrix", "the ways cannot be estimated now").
			WithDetail("core.routing matrix: want %d ways, got %d", n, got)
	}
	return &etapb.EstimateResponse{Estimates: estimates(matrix.GetWays(), time.Now().In(zone))}, nil
}

func estimates(ways []*routingpb.Way, local time.Time) []*etapb.Estimate {
	all := make([]*etapb.Estimate, len(ways))
	for i, way := range ways {
		all[i] = &etapb.Estimate{DistanceM: way.GetDistanceM(), EtaS: seconds(way.GetDurationS(), local)}
	}
	return all
}
