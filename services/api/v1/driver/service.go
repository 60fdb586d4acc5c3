// Package driver is api.v1.driver: what drivers' apps call, under /v1/driver/ of the
// thin API. Only app imports this package.
//
//	POST /v1/driver/point     {"driver_id": "d1", "city": "LON", "lat": 51.5, "lng": -0.12, "available": true, "heading": 90, "at": "…"}
//	PUT  /v1/driver/profile   {"driver_id": "d1", "name": "Ada", "vehicle": "Black cab", "plate": "LX26 ABC"}
//	GET  /v1/driver/city?city=LON
//
// The first two answer 204. JSON is read strictly. Errors are problem+json (RFC
// 9457) and name the field. Anybody may call these endpoints, for any driver: there
// is no login yet.
//
// The HTTP side is in point.go and profile.go; the logic is that of core.state and
// core.profile, called over the bus; nothing is stored.
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
	cities := edge.NewCities(svc)
	points := &points{cities: cities, report: statepb.NewStateClient(svc).Report}
	profiles := &profiles{write: profilepb.NewProfileClient(svc).Write}

	anyone, quick := platform.Roles(platform.RoleAnyone), platform.SLA(10*time.Millisecond, 500*time.Millisecond)
	svc.HandleHTTP("point", edge.Methods(map[string]edge.Handler{http.MethodPost: points.post}), anyone, quick, platform.Idempotent())
	svc.HandleHTTP("profile", edge.Methods(map[string]edge.Handler{http.MethodPut: profiles.put}), anyone, quick, platform.Idempotent())
	svc.HandleHTTP("city", edge.Get(cities.Show), anyone, quick, platform.Idempotent())
	return svc
}
