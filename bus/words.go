package bus

import (
	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// The types of the driver interface that users of the bus meet too.
type (
	Message      = driver.Message
	Header       = driver.Header
	Field        = driver.Field
	Binding      = driver.Binding
	Zone         = driver.Zone
	Subscription = driver.Subscription
	Event        = driver.Event
	EventHandler = driver.EventHandler
	DeadLetter   = driver.DeadLetter
	DeadGroup    = driver.DeadGroup
)

// Limits and cohorts. See package driver.
const (
	MaxBody   = driver.MaxBody
	MaxHeader = driver.MaxHeader
	Cohorts   = driver.Cohorts
	NoCohort  = driver.NoCohort
)

// Metadata header names and their values. See package driver.
const (
	HeaderService     = driver.HeaderService
	HeaderEndpoint    = driver.HeaderEndpoint
	HeaderFrom        = driver.HeaderFrom
	HeaderIdentity    = driver.HeaderIdentity
	HeaderSession     = driver.HeaderSession
	HeaderToken       = driver.HeaderToken
	HeaderBudget      = driver.HeaderBudget
	HeaderCohort      = driver.HeaderCohort
	HeaderOverlay     = driver.HeaderOverlay
	HeaderAttempt     = driver.HeaderAttempt
	HeaderType        = driver.HeaderType
	HeaderServedBy    = driver.HeaderServedBy
	HeaderFault       = driver.HeaderFault
	HeaderContentType = driver.HeaderContentType
	HeaderTraceParent = driver.HeaderTraceParent
	HeaderTraceState  = driver.HeaderTraceState

	TypeRequest   = driver.TypeRequest
	TypeReply     = driver.TypeReply
	TypeError     = driver.TypeError
	TypeEvent     = driver.TypeEvent
	TypeHeartbeat = driver.TypeHeartbeat

	ContentProtobuf = driver.ContentProtobuf
	ContentJSON     = driver.ContentJSON
	ContentHTTP     = driver.ContentHTTP
)

// NotSent tells that the request of which err came back reached nobody, so that it
// may be sent again even where it is not idempotent. After any other fault of
// this side the request may have been handled.
func NotSent(err error) bool {
	return fault.Is(err, fault.NoRoute) || fault.ReasonOf(err) == driver.ReasonDisconnected
}

// CohortOf returns the cohort that h carries, or NoCohort.
func CohortOf(h Header) int { return driver.CohortOf(h) }
