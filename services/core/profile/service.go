// Package profile is core.profile: it knows who drivers are: names, vehicles,
// plates. Only app imports this package; everybody else calls core.profile over the
// bus, with proto/taxi/profile.
//
// Profiles are held in memory for now, by every instance: a write is taken by one
// instance, which publishes it on core.profile.written, and a new instance starts
// from another's Dump. The highest revision of a profile wins, so instances agree
// whatever the order of arrival. What no instance holds is lost: profiles last as
// long as one instance runs. They move into the platform's store when there is one.
//
// Handler, logic and storage are in handler.go, registrar.go with driver.go, and
// book.go; replication.go joins the instances.
package profile

import (
	"github.com/hansom-platform/hansom/platform"
	profilepb "github.com/hansom-platform/hansom/proto/taxi/profile"
)

// Service returns core.profile, ready to run.
func Service(opts ...platform.Option) *platform.Service {
	svc := platform.New("core.profile", append([]platform.Option{platform.Owner("drivers@hansom.example")}, opts...)...)
	book := newBook()
	others := &replication{service: svc, peer: profilepb.NewProfileClient(svc), book: book}
	profilepb.RegisterProfile(svc, &handler{&registrar{book: book, publish: others.publish}})
	svc.Subscribe(platform.Subscription{Topic: topic}, others.receive)
	svc.OnStart(others.warmUp)
	return svc
}
