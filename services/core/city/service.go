// Package city is core.city: it knows the cities of the business. API services
// check requests against a city's area, core services derive speeds and local
// times from it. Only app imports this package; everybody else calls core.city over
// the bus, with proto/taxi/city.
//
// The cities are JSON documents beside the code, one file each, checked when the
// service is made. speed_mps is a planning figure for free-flowing traffic in that
// city, not a measurement.
//
// Handler, logic and storage are in handler.go, catalogue.go and documents.go.
package city

import (
	"github.com/hansom-platform/hansom/platform"
	citypb "github.com/hansom-platform/hansom/proto/taxi/city"
)

// Service returns core.city, ready to run. It panics when an embedded document is
// wrong: that is a mistake in the program.
func Service(opts ...platform.Option) *platform.Service {
	cities, err := newCatalogue(documents())
	if err != nil {
		panic(err)
	}
	svc := platform.New("core.city", append([]platform.Option{platform.Owner("cities@hansom.example")}, opts...)...)
	citypb.RegisterCity(svc, &handler{cities})
	return svc
}
