package platform_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
	etapb "github.com/hansom-platform/hansom/proto/taxi/eta"
	routingpb "github.com/hansom-platform/hansom/proto/taxi/routing"
)

// estimator serves core.eta: what its contract asks of it, and nothing of the bus.
type estimator struct{ routing *routingpb.RoutingClient }

// Estimate implements etapb.EtaServer.
func (e estimator) Estimate(ctx context.Context, r *etapb.EstimateRequest) (*etapb.EstimateResponse, error) {
	if len(r.GetOrigins()) == 0 {
		return nil, fault.New(fault.BadRequest, "core.eta.estimate.no_origins", "name at least one origin")
	}
	ways, err := e.routing.Matrix(ctx, &routingpb.MatrixRequest{
		City: r.GetCity(), Origins: r.GetOrigins(), Destination: r.GetDestination(),
	})
	if err != nil {
		return nil, err
	}
	response := new(etapb.EstimateResponse)
	for _, way := range ways.GetWays() {
		response.Estimates = append(response.Estimates, &etapb.Estimate{
			DistanceM: way.GetDistanceM(), EtaS: way.GetDurationS() + time.Minute.Seconds(),
		})
	}
	return response, nil
}

// openBus stands for what the program passes in: dial.Bus of package app/dial.
var openBus func(ctx context.Context, url string, z bus.Zone) (*bus.Bus, error)

// A whole program.
func ExampleMain() {
	svc := platform.New("core.eta", platform.Owner("dispatch@example.com"))
	etapb.RegisterEta(svc, estimator{routingpb.NewRoutingClient(svc)})
	platform.Main(svc, openBus)
}

// A service of the API tier is an ordinary http.Handler.
func ExampleService_HandleHTTP() {
	svc := platform.New("api.v1.customer")
	eta := etapb.NewEtaClient(svc)
	svc.HandleHTTP("eta", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		response, err := eta.Estimate(r.Context(), &etapb.EstimateRequest{City: r.URL.Query().Get("city")})
		if err != nil {
			fault.WriteProblem(w, err, platform.TraceID(r.Context()))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(response)
	}), platform.Roles(platform.RoleService), platform.SLA(50*time.Millisecond, 300*time.Millisecond))
	platform.Main(svc, openBus)
}

// Every instance hears of instances that come up.
func ExampleService_Subscribe() {
	svc := platform.New("core.audit")
	svc.Subscribe(bus.Subscription{Topic: "discovery.up"}, func(ctx context.Context, e *bus.Event) error {
		var up discoverypb.InstanceEvent
		if err := proto.Unmarshal(e.Message.Body, &up); err != nil {
			return err
		}
		svc.Logger().InfoContext(ctx, "came up", "id", up.GetInstance().GetId())
		return nil
	})
	platform.Main(svc, openBus)
}

func ExampleParallel() {
	names := []string{"LON", "DUB"}
	greetings := make([]string, len(names))
	calls := make([]func(context.Context) error, len(names))
	for i, name := range names {
		calls[i] = func(context.Context) error {
			greetings[i] = "hello " + name
			return nil
		}
	}
	err := platform.Parallel(context.Background(), 10, calls...)
	fmt.Println(greetings, err)
	// Output: [hello LON hello DUB] <nil>
}
