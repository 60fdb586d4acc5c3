package fault

import (
	"fmt"
	"net/http"
)

// Code classifies a fault. The set is closed: callers may switch over it
// exhaustively, and every code has one HTTP status and one spelling on the wire.
type Code uint8

// The codes. The comment gives the HTTP status of each.
const (
	Internal     Code = iota // 500: a bug or a broken invariant; the zero value, so that a forgotten code is never mistaken for a caller's mistake
	BadRequest               // 400: the request itself is wrong; repeating it cannot help
	Unauthorized             // 401: the caller has not said who it is, or its proof is not valid
	Forbidden                // 403: the caller is known and lacks the role or grant
	NotFound                 // 404: the named thing does not exist
	Conflict                 // 409: the thing exists already or is at another revision
	Throttled                // 429: too many requests; try again later
	Timeout                  // 504: the time budget ran out
	NoRoute                  // 503: no running instance may take this message
	Unavailable              // 503: the engine or the peer cannot be reached, or is shedding load
	CircuitOpen              // 503: this side stopped calling a failing endpoint for a while
	BadResponse              // 502: the peer answered with something that cannot be read
)

var codes = [...]struct {
	name   string
	status int
}{
	Internal:     {"INTERNAL", http.StatusInternalServerError},
	BadRequest:   {"BAD_REQUEST", http.StatusBadRequest},
	Unauthorized: {"UNAUTHORIZED", http.StatusUnauthorized},
	Forbidden:    {"FORBIDDEN", http.StatusForbidden},
	NotFound:     {"NOT_FOUND", http.StatusNotFound},
	Conflict:     {"CONFLICT", http.StatusConflict},
	Throttled:    {"THROTTLED", http.StatusTooManyRequests},
	Timeout:      {"TIMEOUT", http.StatusGatewayTimeout},
	NoRoute:      {"NO_ROUTE", http.StatusServiceUnavailable},
	Unavailable:  {"UNAVAILABLE", http.StatusServiceUnavailable},
	CircuitOpen:  {"CIRCUIT_OPEN", http.StatusServiceUnavailable},
	BadResponse:  {"BAD_RESPONSE", http.StatusBadGateway},
}

// Codes lists every code, in the order of their declaration.
func Codes() []Code {
	all := make([]Code, len(codes))
	for i := range all {
		all[i] = Code(i)
	}
	return all
}

// String returns the code's spelling on the wire and in logs, such as "NO_ROUTE".
func (c Code) String() string {
	if int(c) >= len(codes) {
		return fmt.Sprintf("CODE(%d)", uint8(c))
	}
	return codes[c].name
}

// HTTPStatus returns the status that carries this code at the edge. A code
// outside the set is 500.
func (c Code) HTTPStatus() int {
	if int(c) >= len(codes) {
		return http.StatusInternalServerError
	}
	return codes[c].status
}

// ParseCode reads a code's wire spelling.
func ParseCode(s string) (Code, bool) {
	for c := range codes {
		if codes[c].name == s {
			return Code(c), true
		}
	}
	return Internal, false
}
