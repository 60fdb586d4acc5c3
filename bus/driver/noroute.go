package driver

import (
	"time"

	"github.com/hansom-platform/hansom/fault"
)

var missReasons = [...]string{
	MissUnknown:  "bus.no_route.unknown_service",
	MissGone:     ReasonGone,
	MissNoMatch:  "bus.no_route.no_match",
	MissNoWeight: "bus.no_route.no_weight",
	MissTooFar:   "bus.no_route.too_far",
}

// NoRoute explains a miss to the caller. left is when the service's last
// instance left, or the zero time where that is not known.
func NoRoute(service string, m Miss, left time.Time) *fault.Error {
	if m == MissUnknown && !left.IsZero() {
		return fault.New(fault.NoRoute, "bus.no_route.no_instance",
			"no instance of %s is running: the last one left at %s", service, left.UTC().Format(time.RFC3339))
	}
	const (
		unknown  = "the bus has never heard of a service %q: check its name, and that it is running and registered"
		gone     = "every instance of %s that could take this message has just left"
		noMatch  = "no instance of %s matches this message's headers"
		noWeight = "all weights of %s are 0: nothing is to be sent there"
		tooFar   = "%s runs only in places that this message may not be sent to"
	)
	text := [...]string{MissUnknown: unknown, MissGone: gone, MissNoMatch: noMatch, MissNoWeight: noWeight, MissTooFar: tooFar}
	return fault.New(fault.NoRoute, missReasons[m], text[m], service)
}

// NoInstance is the fault of a direct request to an instance that is not there.
func NoInstance(instance string) *fault.Error {
	return fault.New(fault.NoRoute, "bus.no_route.no_such_instance", "instance %s is not connected to the bus", instance)
}
