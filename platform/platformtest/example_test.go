package platformtest_test

import (
	"context"
	"testing"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/platformtest"
	etapb "github.com/hansom-platform/hansom/proto/taxi/eta"
	routingpb "github.com/hansom-platform/hansom/proto/taxi/routing"
)

// estimator is the service under test: it asks core.routing for the ways and adds
// a minute to each.
type estimator struct{ routing *routingpb.RoutingClient }

// Estimate implements etapb.EtaServer.
func (e estimator) Estimate(ctx context.Context, r *etapb.EstimateRequest) (*etapb.EstimateResponse, error) {
	if len(r.GetOrigins()) == 0 {
		return nil, fault.New(fault.BadRequest, "core.eta.estimate.no_origins", "name at least one origin")
	}
	ways, err := e.routing.Matrix(ctx, &routingpb.MatrixRequest{Origins: r.GetOrigins(), Destination: r.GetDestination()})
	if err != nil {
		return nil, err
	}
	response := &etapb.EstimateResponse{}
	for _, way := range ways.GetWays() {
		response.Estimates = append(response.Estimates, &etapb.Estimate{DistanceM: way.GetDistanceM(), EtaS: way.GetDurationS() + 60})
	}
	return response, nil
}

func newEta(opts ...platform.Option) *platform.Service {
	svc := platform.New("core.eta", opts...)
	etapb.RegisterEta(svc, estimator{routingpb.NewRoutingClient(svc)})
	return svc
}

var fromHere = &etapb.EstimateRequest{Origins: []*routingpb.Point{{Lat: 51.5, Lng: -0.12}}, Destination: &routingpb.Point{Lat: 51.51, Lng: -0.13}}

// This is how a service is tested: fake what it calls, start it, call it.
func TestHowToTestAService(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		platformtest.Fake(env, routingpb.RoutingMatrix, func(_ context.Context, r *routingpb.MatrixRequest) (*routingpb.MatrixResponse, error) {
			return &routingpb.MatrixResponse{Ways: []*routingpb.Way{{DistanceM: 1500, DurationS: 300}}}, nil
		})
		env.Start(newEta())

		response, err := etapb.NewEtaClient(env.Client()).Estimate(t.Context(), fromHere)
		if err != nil {
			t.Fatal(err)
		}
		if got := response.GetEstimates()[0].GetEtaS(); got != 360 {
			t.Errorf("Estimate says %v s, want 360", got)
		}
	})
}
