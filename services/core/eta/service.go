// Package eta is core.eta: it tells how long drivers take to a point. Only app
// imports this package; everybody else calls core.eta over the bus, with
// proto/taxi/eta.
//
// An estimate is core.routing's duration in free-flowing traffic, times a factor
// for the traffic at this hour in the city, plus the time a driver needs to set
// off; see traffic.go for what the factors are worth. The city's time zone comes
// from core.city, is remembered for a minute, and longer while core.city is away.
//
// Handler and logic are in handler.go and traffic.go; nothing is stored.
package eta

import (
	"context"
	"time"
	_ "time/tzdata" // time zones must be known on machines without a zoneinfo folder

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/memo"
	citypb "github.com/hansom-platform/hansom/proto/taxi/city"
	etapb "github.com/hansom-platform/hansom/proto/taxi/eta"
	routingpb "github.com/hansom-platform/hansom/proto/taxi/routing"
)

// Service returns core.eta, ready to run.
func Service(opts ...platform.Option) *platform.Service {
	svc := platform.New("core.eta", append([]platform.Option{platform.Owner("dispatch@hansom.example")}, opts...)...)
	zones := memo.New(memo.Config{}, readZone(citypb.NewCityClient(svc)))
	etapb.RegisterEta(svc, &handler{matrix: routingpb.NewRoutingClient(svc).Matrix, zone: zones.Get})
	return svc
}

// readZone asks core.city for a city's time zone.
func readZone(cities *citypb.CityClient) memo.Fetch[string, *time.Location] {
	return func(ctx context.Context, code string) (*time.Location, error) {
		response, err := cities.Read(ctx, &citypb.ReadRequest{Code: code})
		if err != nil {
			return nil, err
		}
		zone, err := time.LoadLocation(response.GetCity().GetTimezone())
		if err != nil {
			return nil, fault.Wrap(err, fault.BadResponse, "core.eta.estimate.bad_timezone", "the time zone of %s is unknown", code)
		}
		return zone, nil
	}
}
