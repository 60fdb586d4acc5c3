// Package driver is api.v1.driver: what drivers' apps call, under /v1/driver/ of the
// thin API. Only app imports this package.
//
//	POST /v1/driver/login     {"identifier": "bo@example.com", "password": "…", "device_type": "android", "known_device": "…"}
//	POST /v1/driver/logout
//	POST /v1/driver/point     {"city": "LON", "lat": 51.5, "lng": -0.12, "available": true, "heading": 90, "at": "…", "driver_id": "d1"}
//	PUT  /v1/driver/profile   {"name": "Ada", "vehicle": "Black cab", "plate": "LX26 ABC", "driver_id": "d1"}
//	GET  /v1/driver/city?city=LON
//
// All but the login, which is for anybody, are for users with the role DRIVER, who
// act for themselves and need not say which driver they are, or FLEET, who act for
// any driver and must say for which. Point and profile answer 204. JSON is read
// strictly. Errors are problem+json (RFC 9457) and name the field.
//
// The HTTP side is in point.go, profile.go and self.go; the logic is that of
// core.state, core.profile and kernel.login, called over the bus; nothing is stored.
package driver

import (
	"net/http"
	"time"

	"github.com/hansom-platform/hansom/platform"
	profilepb "github.com/hansom-platform/hansom/proto/taxi/profile"
	statepb "github.com/hansom-platform/hansom/proto/taxi/state"
	"github.com/hansom-platform/hansom/services/api/v1/edge"
)

// Service returns api.v1.driver, ready to run.
func Service(opts ...platform.Option) *platform.Service {
	svc := platform.New("api.v1.driver", append([]platform.Option{platform.Owner("driver-apps@hansom.example")}, opts...)...)
	cities, sessions := edge.NewCities(svc), edge.NewSessions(svc, "driver")
	points := &points{cities: cities, report: statepb.NewStateClient(svc).Report}
	profiles := &profiles{write: profilepb.NewProfileClient(svc).Write}

	drivers := platform.Roles(edge.RoleDriver, edge.RoleFleet)
	quick := platform.SLA(10*time.Millisecond, 500*time.Millisecond)
	svc.HandleHTTP("login", edge.Post(sessions.Login), platform.Roles(platform.RoleAnyone), edge.LoginSLA())
	svc.HandleHTTP("logout", edge.Post(sessions.Logout), drivers, quick)
	svc.HandleHTTP("point", edge.Post(points.post), drivers, quick, platform.Idempotent())
	svc.HandleHTTP("profile", edge.Methods(map[string]edge.Handler{http.MethodPut: profiles.put}), drivers, quick, platform.Idempotent())
	svc.HandleHTTP("city", edge.Get(cities.Show), drivers, quick, platform.Idempotent())
	return svc
}
