package driver

// Reasons of the faults that every driver makes in the same situation.
const (
	ReasonTimeout      = "bus.timeout"         // Timeout: sent, and no reply came within the budget
	ReasonDisconnected = "bus.disconnected"    // Unavailable: there is no connection and nothing was sent
	ReasonLost         = "bus.connection_lost" // Unavailable: sent, and the connection broke before the reply; it may have been handled
	ReasonClosed       = "bus.closed"          // Unavailable: this side closed its connection; a request under way may have been handled
	ReasonGone         = "bus.no_route.gone"   // NoRoute: every instance that is bound has just left
	ReasonEngine       = "bus.engine"          // Unavailable: the engine refused or did not answer
	ReasonTooLarge     = "bus.too_large"       // BadRequest: the engine takes no message of this size
	ReasonBadBinding   = "bus.bad_binding"     // BadRequest: Apply was given a binding without a name or of another zone
	ReasonNoLetter     = "bus.no_dead_letter"  // NotFound: the group has no dead letter of that id
	ReasonNoGroup      = "bus.no_group"        // NotFound: nobody takes the dead letter's topic for its group
	ReasonDrain        = "bus.drain"           // Timeout: a drain did not end in time
)
