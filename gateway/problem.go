package gateway

import (
	"errors"
	"net/http"

	"github.com/hansom-platform/hansom/fault"
)

// refusal is a fault under a more telling status than its code has.
type refusal struct {
	fault  *fault.Error
	status int
}

// Error implements error.
func (r *refusal) Error() string { return r.fault.Error() }

// Unwrap has fault.From find the fault.
func (r *refusal) Unwrap() error { return r.fault }

func refuse(status int, reason, message string, args ...any) error {
	code := fault.BadRequest
	if status == http.StatusNotFound {
		code = fault.NotFound
	}
	return &refusal{fault.New(code, reason, message, args...), status}
}

const (
	reasonUnknownService = "bus.no_route.unknown_service"
	reasonNoEndpoint     = "platform.no_endpoint"
	reasonShed           = "gateway.shed"
)

// problemOf returns the body of a failure. A service that nobody has ever heard of
// is the client's mistake; one that is away is ours.
func problemOf(err error, id string) fault.Problem {
	p := fault.ProblemOf(err, id)
	var r *refusal
	switch {
	case errors.As(err, &r):
		return p.WithStatus(r.status)
	case p.Reason == reasonUnknownService:
		return p.WithStatus(http.StatusNotFound)
	}
	return p
}

// faultOfStatus returns what a service's answer counts as in metrics and hops, nil
// for success.
func faultOfStatus(status int) *fault.Error {
	if status < http.StatusBadRequest {
		return nil
	}
	return &fault.Error{Code: codeOfStatus(status), Reason: "gateway.status", Message: http.StatusText(status), Origin: fault.Peer}
}

func codeOfStatus(status int) fault.Code {
	switch status {
	case http.StatusUnauthorized:
		return fault.Unauthorized
	case http.StatusForbidden:
		return fault.Forbidden
	case http.StatusNotFound:
		return fault.NotFound
	case http.StatusConflict:
		return fault.Conflict
	case http.StatusTooManyRequests:
		return fault.Throttled
	case http.StatusBadGateway:
		return fault.BadResponse
	case http.StatusServiceUnavailable:
		return fault.Unavailable
	case http.StatusGatewayTimeout:
		return fault.Timeout
	}
	if status < http.StatusInternalServerError {
		return fault.BadRequest
	}
	return fault.Internal
}
