package driver

// Metadata header names: one spelling on every bus (DESIGN §3). All are lower
// case; drivers send them as they are.
const (
	HeaderService     = "h2-service"   // the service a request is for: core.eta
	HeaderEndpoint    = "h2-endpoint"  // the endpoint of that service: estimate
	HeaderFrom        = "h2-from"      // who sent it: "<service> <instance>"
	HeaderIdentity    = "h2-identity"  // the token that proves it, where it is a service
	HeaderSession     = "h2-session"   // the public id of the user's session
	HeaderToken       = "h2-token"     // the user's token
	HeaderBudget      = "h2-budget"    // milliseconds left when it was sent, a decimal integer
	HeaderCohort      = "h2-cohort"    // 0 to 9999, a decimal integer
	HeaderOverlay     = "h2-overlay"   // the overlay's label
	HeaderAttempt     = "h2-attempt"   // from 2 on for a retry; absent on the first attempt
	HeaderType        = "h2-type"      // one of the Type constants; absent means request
	HeaderServedBy    = "h2-served-by" // replies: "<instance> <version> <zone>"
	HeaderFault       = "h2-fault"     // errors made by the server's bus, not by its handler: the reason
	HeaderContentType = "content-type" // absent means ContentProtobuf
	HeaderTraceParent = "traceparent"  // W3C Trace Context §3.2
	HeaderTraceState  = "tracestate"   // W3C Trace Context §3.3
)

// Values of HeaderType.
const (
	TypeRequest   = "request"
	TypeReply     = "reply"
	TypeError     = "error"
	TypeEvent     = "event"
	TypeHeartbeat = "heartbeat"
)

// Values of HeaderContentType.
const (
	ContentProtobuf = "application/protobuf"
	ContentJSON     = "application/json"
	ContentHTTP     = "application/vnd.hansom.http" // a hansom.HttpRequest in protobuf, which only endpoints that carry HTTP take
)
