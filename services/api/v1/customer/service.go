// Package customer is api.v1.customer: what customers' apps call, under
// /v1/customer/ of the thin API. Only app imports this package.
//
//	POST /v1/customer/login         {"identifier": "ada@example.com", "password": "…", "device_type": "ios", "known_device": "…"}
//	POST /v1/customer/logout
//	GET  /v1/customer/neardrivers?city=LON&lat=51.5074&lng=-0.1278[&limit=10]
//	GET  /v1/customer/city?city=LON
//
// Errors are problem+json (RFC 9457). Near drivers are for users with the role
// CUSTOMER. Anybody may log in, and read about a city, which is what an app shows
// before.
//
// The HTTP side is in neardrivers.go; the logic is that of
// orchestration.neardrivers and kernel.login, called over the bus; nothing is stored.
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
	cities, sessions := edge.NewCities(svc), edge.NewSessions(svc, "customer")
	near := &nearDrivers{cities: cities, find: neardriverspb.NewNearDriversClient(svc).Find}
	anyone, customers := platform.Roles(platform.RoleAnyone), platform.Roles(edge.RoleCustomer)
	svc.HandleHTTP("login", edge.Post(sessions.Login), anyone, edge.LoginSLA())
	svc.HandleHTTP("logout", edge.Post(sessions.Logout), customers, platform.SLA(10*time.Millisecond, time.Second))
	svc.HandleHTTP("neardrivers", edge.Get(near.list), customers, platform.SLA(40*time.Millisecond, time.Second), platform.Idempotent())
	svc.HandleHTTP("city", edge.Get(cities.Show), anyone, platform.SLA(5*time.Millisecond, 500*time.Millisecond), platform.Idempotent())
	return svc
}
