package rabbitbus

import (
	"context"
	"errors"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// errSessionLost is in the chain of errors of a session that ended meanwhile.
var errSessionLost = errors.New("the AMQP connection broke")

func errClosed() error {
	return fault.New(fault.Unavailable, driver.ReasonClosed, "the connection to the bus was closed by this side: open another one")
}

func errDisconnected(cause error) error {
	return fault.Wrap(cause, fault.Unavailable, driver.ReasonDisconnected, "there is no connection to the bus; nothing was sent")
}

func errLost(cause error) error {
	return fault.Wrap(errors.Join(errSessionLost, cause), fault.Unavailable, driver.ReasonLost,
		"the connection to the bus broke while the answer was awaited: the request may have been handled")
}

// engineError codes what amqp091-go said to an attempt to do what; what names the operation and
// its object. A fault stays as it is.
func engineError(err error, what string) error {
	var f *fault.Error
	if err == nil || errors.As(err, &f) {
		return err
	}
	var refusal *amqp.Error
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(err, fault.Unavailable, driver.ReasonEngine, "the broker did not %s in time", what)
	case !errors.As(err, &refusal):
		return fault.Wrap(err, fault.Unavailable, driver.ReasonEngine, "the broker could not %s", what)
	case !refusal.Server:
		return fault.Wrap(errors.Join(errSessionLost, err), fault.Unavailable, driver.ReasonLost, "the connection broke before the broker could %s", what)
	}
	return fault.Wrap(err, fault.Unavailable, driver.ReasonEngine, "the broker refused to %s%s", what, remedy(refusal.Code))
}

func remedy(code int) string {
	switch code {
	case amqp.AccessRefused:
		return ": its user lacks the permission; hansom bus user add gives a user those of its services"
	case amqp.NotFound:
		return ": something is missing on the broker; run hansom bus setup"
	case amqp.ResourceLocked:
		return ": another connection holds that queue; every instance needs an id of its own"
	case amqp.PreconditionFailed:
		return ": it exists with other properties; look what made it so, and delete it on the broker only if nothing in it is needed: a group's queue holds its events"
	}
	return ""
}

func hasCode(err error, code int) bool {
	var refusal *amqp.Error
	return errors.As(err, &refusal) && refusal.Code == code
}

// isRefused tells that the broker's user lacks a permission.
func isRefused(err error) bool { return hasCode(err, amqp.AccessRefused) }

// isLocked tells that another connection holds the queue.
func isLocked(err error) bool { return hasCode(err, amqp.ResourceLocked) }
