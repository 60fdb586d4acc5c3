// Package neardrivers is orchestration.neardrivers: it finds the drivers a customer
// may be offered, by putting together where drivers are (core.state), how long they
// take (core.eta) and who they are (core.profile). Only app imports this package;
// everybody else calls it over the bus, with proto/taxi/neardrivers.
//
// Names are dear but not needed: without core.profile, or a driver's profile, a
// driver is called "Driver". Times are the promise that a customer books on, so
// without core.eta the request fails with core.eta's fault: a list that says 0
// seconds would be worse than none.
//
// Handler and logic are in handler.go and finder.go; nothing is stored.
package neardrivers

import (
	"github.com/hansom-platform/hansom/platform"
	etapb "github.com/hansom-platform/hansom/proto/taxi/eta"
	neardriverspb "github.com/hansom-platform/hansom/proto/taxi/neardrivers"
	profilepb "github.com/hansom-platform/hansom/proto/taxi/profile"
	statepb "github.com/hansom-platform/hansom/proto/taxi/state"
)

// Service returns orchestration.neardrivers, ready to run.
func Service(opts ...platform.Option) *platform.Service {
	svc := platform.New("orchestration.neardrivers", append([]platform.Option{platform.Owner("dispatch@hansom.example")}, opts...)...)
	neardriverspb.RegisterNearDrivers(svc, &handler{&finder{
		near:     statepb.NewStateClient(svc).Near,
		estimate: etapb.NewEtaClient(svc).Estimate,
		profiles: profilepb.NewProfileClient(svc).Read,
		log:      svc.Logger(),
	}})
	return svc
}
