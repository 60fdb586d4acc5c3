// Package customer is api.v1.customer: what customers' apps call, under
// /v1/customer/ of the thin API. Only app imports this package.
//
//	GET /v1/customer/neardrivers?city=LON&lat=51.5074&lng=-0.1278[&limit=10]
//	GET /v1/customer/city?city=LON
//
// Errors are problem+json (RFC 9457). Anybody may call these endpoints: there is no
// login yet.
//
// The HTTP side is in neardrivers.go; the logic is orchestration.neardrivers, called
// over the bus; nothing is stored.
package customer

import (
	"time"

	"github.com/hansom-platform/hansom/platform"
	neardriverspb "github.com/hansom-platform/hansom/proto/taxi/neardrivers"
	"github.com/hansom-platform/hansom/services/api/v1/edge"
)

// Service returns api.v1.customer, ready to run.
func Service(opts ...platform.Option) *platform.Service {
	svc := platform.New("api.v1.customer", append([]platform.Option{platform.Owner("customer-apps@hansom.example")}, opts...)...)
	cities := edge.NewCities(svc)
	near := &nearDrivers{cities: cities, find: neardriverspb.NewNearDriversClient(svc).Find}
	svc.HandleHTTP("neardrivers", edge.Get(near.list), platform.Roles(platform.RoleAnyone),
		platform.SLA(40*time.Millisecond, time.Second), platform.Idempotent())
	svc.HandleHTTP("city", edge.Get(cities.Show), platform.Roles(platform.RoleAnyone),
		platform.SLA(5*time.Millisecond, 500*time.Millisecond), platform.Idempotent())
	return svc
}
