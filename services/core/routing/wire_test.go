package routing

import (
	"context"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/platformtest"
	citypb "github.com/hansom-platform/hansom/proto/taxi/city"
	routingpb "github.com/hansom-platform/hansom/proto/taxi/routing"
)

func TestTheCitysSpeedBridgesItsAbsence(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		var away error
		platformtest.Fake(env, citypb.CityRead, func(_ context.Context, r *citypb.ReadRequest) (*citypb.ReadResponse, error) {
			return &citypb.ReadResponse{City: &citypb.Details{Code: r.Code, SpeedMps: 10}}, away
		})
		env.Start(Service(platform.Logger(env.Logger())))
		client := routingpb.NewRoutingClient(env.Client())
		request := &routingpb.MatrixRequest{City: "LON", Origins: []*routingpb.Point{heathrow}, Destination: charingCross}
		for range 2 {
			response, err := client.Matrix(t.Context(), request)
			if err != nil {
				t.Fatal(err)
			}
			if way := response.Ways[0]; way.DurationS != way.DistanceM/10 {
				t.Errorf("want the city's 10 m/s, got %v", way)
			}
			away = fault.New(fault.Unavailable, "core.city.away", "come back later")
			time.Sleep(2 * time.Minute)
		}
	})
}
