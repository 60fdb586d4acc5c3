package eta

import (
	"context"
	"testing"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/platformtest"
	citypb "github.com/hansom-platform/hansom/proto/taxi/city"
	etapb "github.com/hansom-platform/hansom/proto/taxi/eta"
	routingpb "github.com/hansom-platform/hansom/proto/taxi/routing"
)

// serve starts core.eta over a core.city that gives every city this time zone.
func serve(env *platformtest.Env, zone string) *etapb.EtaClient {
	platformtest.Fake(env, citypb.CityRead, func(context.Context, *citypb.ReadRequest) (*citypb.ReadResponse, error) {
		return &citypb.ReadResponse{City: &citypb.Details{Timezone: zone}}, nil
	})
	platformtest.Fake(env, routingpb.RoutingMatrix, free)
	env.Start(Service(platform.Logger(env.Logger())))
	return etapb.NewEtaClient(env.Client())
}

func TestEstimateAsksForTheCityAndTheWays(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		response, err := serve(env, "Asia/Tokyo").Estimate(t.Context(), origins(3))
		if err != nil || len(response.Estimates) != 3 {
			t.Fatalf("want 3 estimates, got %v, %v", response, err)
		}
		if got := response.Estimates[0].EtaS; got <= setOff+600 {
			t.Errorf("on a Saturday morning in Tokyo: want more than %d s, got %g", setOff+600, got)
		}
	})
}

func TestAnUnknownTimeZoneIsABadResponse(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		_, err := serve(env, "Mars/Olympus").Estimate(t.Context(), origins(1))
		if fault.ReasonOf(err) != "core.eta.estimate.bad_timezone" {
			t.Errorf("want core.eta.estimate.bad_timezone, got %v", err)
		}
	})
}
