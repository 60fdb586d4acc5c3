// Package city is core.city: it knows the cities of the business. API services
// check requests against a city's area, core services derive speeds and local
// times from it. App imports this package, for the service and for the documents
// that a new environment starts with; everybody else calls core.city over the bus,
// with proto/taxi/city.
//
// A city is the configuration document city/<CODE>, kept by kernel.config with its
// history; a schema keeps out what cannot be a city. Every instance holds all of
// them in memory, hears of changes, and looks again at intervals. When the config
// service is away at its start, an instance answers UNAVAILABLE until it is there.
// Writing goes to kernel.config as the user who asks.
//
// speed_mps is a planning figure for free-flowing traffic in that city, not a
// measurement.
//
// Handler, logic and storage are in handler.go, catalogue.go with substitute.go,
// and documents.go.
package city

import (
	"github.com/hansom-platform/hansom/platform"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
	citypb "github.com/hansom-platform/hansom/proto/taxi/city"
)

// Service returns core.city, ready to run.
func Service(opts ...platform.Option) *platform.Service {
	svc := platform.New("core.city", append([]platform.Option{platform.Owner("cities@hansom.example")}, opts...)...)
	d := &documents{config: configpb.NewConfigClient(svc), log: svc.Logger()}
	citypb.RegisterCity(svc, &handler{d})
	svc.Subscribe(platform.Subscription{Topic: topicChanged}, d.hear)
	svc.OnStart(d.start)
	svc.Background(d.refresh)
	svc.Check("cities", d.check)
	return svc
}
