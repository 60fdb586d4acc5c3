// Package state is core.state: it knows where drivers are and whether they are
// free. Only app imports this package; everybody else calls core.state over the bus,
// with proto/taxi/state.
//
// Every instance holds every position in memory, so that any of them can answer
// Near alone. A report is taken by one instance, which publishes it on
// core.state.position; all of them, itself too, index what they hear there. The
// newest report of a driver wins, whatever the order of arrival, so all instances
// come to the same picture. A new instance starts from another's Dump. An event
// that is lost is made good by the driver's next report; a position expires when
// none came for a while (30 s unless configured).
//
// Handler, logic and storage are in handler.go, tracker.go with position.go, and
// fleet.go; replication.go joins the instances.
package state

import (
	"time"

	"github.com/hansom-platform/hansom/platform"
	statepb "github.com/hansom-platform/hansom/proto/taxi/state"
)

// Config bounds how long positions are believed.
type Config struct {
	// Expiry is how long a position holds after its report; 0 means 30 s. Reports
	// older than that are refused.
	Expiry time.Duration
}

// Service returns core.state with the default configuration, ready to run.
func Service(opts ...platform.Option) *platform.Service { return New(Config{}, opts...) }

// New returns core.state, ready to run.
func New(c Config, opts ...platform.Option) *platform.Service {
	if c.Expiry <= 0 {
		c.Expiry = 30 * time.Second
	}
	svc := platform.New("core.state", append([]platform.Option{platform.Owner("dispatch@hansom.example")}, opts...)...)
	fleet := newFleet(c.Expiry)
	others := &replication{service: svc, peer: statepb.NewStateClient(svc), fleet: fleet}
	statepb.RegisterState(svc, &handler{&tracker{fleet: fleet, expiry: c.Expiry, publish: others.publish}})
	svc.Subscribe(platform.Subscription{Topic: topic}, others.receive)
	svc.OnStart(others.warmUp)
	svc.Background(fleet.expire)
	return svc
}
