package platform

import "github.com/hansom-platform/hansom/bus"

// The bus's types that service authors meet; services do not import package bus.
type (
	Subscription = bus.Subscription
	Event        = bus.Event
	Zone         = bus.Zone
)
