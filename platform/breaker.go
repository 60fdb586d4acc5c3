package platform

import (
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"github.com/hansom-platform/hansom/fault"
)

const (
	circuitRate    = 0.95 // opens when so many of the calls failed,
	circuitSamples = 100  // of at least so many,
	circuitWindow  = 10 * time.Second
	circuitPause   = 5 * time.Second // then it lets some through again,
	circuitProbes  = 3               // and closes when so many succeed
)

// breaker stops calls to an endpoint that nearly always fails. It lives as long as
// its client.
type breaker struct {
	circuitbreaker.CircuitBreaker[any]
}

func newBreaker(changed func(circuitbreaker.StateChangedEvent)) breaker {
	return breaker{circuitbreaker.NewBuilder[any]().
		WithFailureRateThreshold(circuitRate, circuitSamples, circuitWindow).
		WithSuccessThreshold(circuitProbes).
		WithDelay(circuitPause).
		OnStateChanged(changed).
		Build()}
}

// record counts the outcome of a permitted attempt that had the time given.
func (b breaker) record(err *fault.Error, given time.Duration, l limits) {
	if countsAgainstPeer(err, given, l) {
		b.RecordFailure()
		return
	}
	b.RecordSuccess()
}

// countsAgainstPeer reports whether err tells that the endpoint is broken. A
// mistake of the caller does not. Neither does what this side could not even send
// (NoRoute, the bus away): that comes back at once by itself, and an open circuit
// would only hide the reason and outlast it. Nor does a timeout of a caller that
// gave the endpoint less time than it says it needs.
func countsAgainstPeer(err *fault.Error, given time.Duration, l limits) bool {
	if err == nil {
		return false
	}
	switch err.Code {
	case fault.Timeout:
		return given >= max(l.upper95, minTimeout)
	case fault.Unavailable:
		return err.Origin == fault.Peer
	case fault.Internal, fault.BadResponse:
		return true
	default:
		return false
	}
}
