package auth

import "github.com/hansom-platform/hansom/fault"

// Reasons for which a token is not accepted.
const (
	ReasonMalformed  = "platform.unauthorized.malformed"
	ReasonAlgorithm  = "platform.unauthorized.algorithm"
	ReasonType       = "platform.unauthorized.type"
	ReasonUnknownKey = "platform.unauthorized.unknown_key"
	ReasonSignature  = "platform.unauthorized.signature"
	ReasonEnviron    = "platform.unauthorized.environment"
	ReasonAudience   = "platform.unauthorized.audience"
	ReasonExpired    = "platform.unauthorized.expired"
	ReasonNotYet     = "platform.unauthorized.not_yet"
	ReasonRevoked    = "platform.unauthorized.revoked"
	ReasonNoKeys     = "platform.unauthorized.no_keys" // Unavailable: it passes
)

func refuse(reason, detail string, args ...any) *fault.Error {
	return fault.New(fault.Unauthorized, reason, "the token is not accepted").WithDetail(detail, args...)
}

// errNoKeys is what everything is refused with before the first key set has come.
var errNoKeys = fault.New(fault.Unavailable, ReasonNoKeys, "tokens cannot be verified yet").
	WithDetail("no key set of kernel.login has been heard yet")
