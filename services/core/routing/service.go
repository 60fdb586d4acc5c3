// Package routing is core.routing: it estimates ways by road. Only app imports this
// package; everybody else calls core.routing over the bus, with proto/taxi/routing.
//
// There is no road map behind it. A way is the great-circle distance times a
// detour factor, driven at the city's mean speed in free-flowing traffic
// (core.city); see detour for what that is worth. Cities are remembered for a
// minute, and longer while core.city is away.
//
// Handler and logic are in handler.go and way.go; nothing is stored.
package routing

import (
	"context"

	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/memo"
	citypb "github.com/hansom-platform/hansom/proto/taxi/city"
	routingpb "github.com/hansom-platform/hansom/proto/taxi/routing"
)

// Service returns core.routing, ready to run.
func Service(opts ...platform.Option) *platform.Service {
	svc := platform.New("core.routing", append([]platform.Option{platform.Owner("dispatch@hansom.example")}, opts...)...)
	cities := citypb.NewCityClient(svc)
	speeds := memo.New(memo.Config{}, func(ctx context.Context, code string) (float64, error) {
		response, err := cities.Read(ctx, &citypb.ReadRequest{Code: code})
		return response.GetCity().GetSpeedMps(), err
	})
	routingpb.RegisterRouting(svc, &handler{speeds.Get})
	return svc
}
