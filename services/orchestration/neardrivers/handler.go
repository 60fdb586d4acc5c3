package neardrivers

import (
	"context"

	"github.com/hansom-platform/hansom/fault"
	neardriverspb "github.com/hansom-platform/hansom/proto/taxi/neardrivers"
)

// handler serves the contract of orchestration.neardrivers.
type handler struct{ finder *finder }

// Limits of find.
const (
	defaultLimit = 10
	maxLimit     = 50
)

// Find checks the limit; core.state checks the city and the point.
func (h *handler) Find(ctx context.Context, r *neardriverspb.FindRequest) (*neardriverspb.FindResponse, error) {
	limit := r.GetLimit()
	if limit == 0 {
		limit = defaultLimit
	}
	if limit > maxLimit {
		return nil, fault.New(fault.BadRequest, "orchestration.neardrivers.find.bad_limit", "limit %d: want at most %d", limit, maxLimit)
	}
	drivers, err := h.finder.find(ctx, place{r.GetCity(), r.GetLat(), r.GetLng()}, limit)
	if err != nil {
		return nil, err
	}
	return &neardriverspb.FindResponse{Drivers: drivers}, nil
}
