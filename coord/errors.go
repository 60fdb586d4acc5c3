package coord

import (
	"errors"

	"github.com/hansom-platform/hansom/fault"
)

// opError names the operation and its argument and keeps the driver's code.
func opError(op, arg string, err error) error {
	subject := "coord: " + op
	if arg != "" {
		subject += " " + arg
	}
	f := fault.From(err)
	return fault.Wrap(err, f.Code, "coord."+op, "%s: %s", subject, f.Message)
}

func closedError(op, arg string) error {
	return opError(op, arg, fault.Wrap(ErrClosed, fault.Unavailable, "coord.closed", "it was closed on this side"))
}

// ErrSessionLost is in the chain of errors of calls that failed because their
// session was over.
var ErrSessionLost = errors.New("session lost")

func sessionLost(op, arg string) error {
	return opError(op, arg, fault.Wrap(ErrSessionLost, fault.Unavailable, "coord.session",
		"the session is over; open another one"))
}
