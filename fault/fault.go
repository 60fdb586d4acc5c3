// Package fault holds the errors that cross borders in Hansom: between a
// driver and the portable API above it, between two services, and between the
// gateway and the world. Every package may import it; it imports nothing of ours.
//
// A fault has a code out of a closed set, a dotted reason that programs may
// compare (core.eta.estimate.no_road), a message that is safe to show to the
// caller, a detail that only operators see, and an origin: the peer said it, or
// this side inferred it. Translation from foreign errors happens once, at the
// border that met them; everything above compares codes and reasons with CodeOf,
// ReasonOf and errors.As.
package fault

import (
	"context"
	"errors"
	"fmt"
)

// Origin tells who found the fault.
type Origin uint8

// The origins.
const (
	Local Origin = iota // this side inferred it: a timeout, an open circuit, an unreachable peer
	Peer                // the peer said so
)

// String returns "local" or "peer".
func (o Origin) String() string {
	if o == Peer {
		return "peer"
	}
	return "local"
}

// Error is a coded error. Treat it as immutable once it is returned.
type Error struct {
	Code    Code
	Reason  string // dotted and stable, for programs: "core.eta.estimate.no_road"
	Message string // safe for the caller
	Detail  string // for operators only; never leaves the gateway
	Origin  Origin

	cause error
}

// New makes a local fault. The message is formatted as by fmt.Sprintf when args
// are given.
func New(code Code, reason, message string, args ...any) *Error {
	if len(args) > 0 {
		message = fmt.Sprintf(message, args...)
	}
	return &Error{Code: code, Reason: reason, Message: message}
}

// Wrap makes a local fault around cause, whose text becomes the detail: callers
// see only the message.
func Wrap(cause error, code Code, reason, message string, args ...any) *Error {
	e := New(code, reason, message, args...)
	e.cause = cause
	if cause != nil {
		e.Detail = cause.Error()
	}
	return e
}

// WithDetail returns a copy with the operator's detail set.
func (e *Error) WithDetail(format string, args ...any) *Error {
	c := *e
	c.Detail = fmt.Sprintf(format, args...)
	return &c
}

// Error describes the fault to an operator.
func (e *Error) Error() string {
	s := e.Code.String() + " " + e.Reason + ": " + e.Message
	if e.Detail != "" {
		s += " (" + e.Detail + ")"
	}
	return s
}

// Unwrap returns the cause given to Wrap.
func (e *Error) Unwrap() error { return e.cause }

// From returns err as a fault. A fault in err's chain is returned as it is;
// context errors become Timeout and Unavailable; anything else is Internal with
// the error's text as its detail. From(nil) is nil.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.DeadlineExceeded):
		return Wrap(err, Timeout, "deadline", "the time budget ran out")
	case errors.Is(err, context.Canceled):
		return Wrap(err, Unavailable, "cancelled", "the caller gave up")
	}
	return Wrap(err, Internal, "internal", "something went wrong on our side")
}

// CodeOf returns the code of err, Internal where err is no fault. It must not
// be called with nil.
func CodeOf(err error) Code { return From(err).Code }

// ReasonOf returns the dotted reason of err, or "" for nil.
func ReasonOf(err error) string {
	if err == nil {
		return ""
	}
	return From(err).Reason
}

// Is reports whether err is a fault of the given code. It is false for nil.
func Is(err error, code Code) bool { return err != nil && CodeOf(err) == code }
