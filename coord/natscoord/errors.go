package natscoord

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansom-platform/hansom/fault"
)

// errWrongRevision is what translate makes of a failed expectation of a publish.
var errWrongRevision = fault.New(fault.Conflict, "coord.nats.revision", "the path is at another revision")

func errExists(rev uint64) error {
	return fault.New(fault.Conflict, "coord.nats.exists", "the path holds a node at revision %d", rev)
}

func errMismatch(want, have uint64) error {
	return fault.New(fault.Conflict, "coord.nats.revision", "the node is at revision %d, not %d", have, want)
}

var (
	errNotFound  = fault.New(fault.NotFound, "coord.nats.absent", "there is no such node")
	errNotOwner  = fault.New(fault.Conflict, "coord.nats.owner", "the node belongs to somebody else")
	errContended = fault.New(fault.Conflict, "coord.nats.contended", "others kept changing the path; read it again")
	errLost      = fault.New(fault.Unavailable, "coord.nats.session", "the session is over")
	errDown      = fault.New(fault.Unavailable, "coord.nats.down", "the connection to NATS broke off")
	errClosed    = fault.New(fault.Unavailable, "coord.nats.closed", "the connection to NATS is closed")
)

// translate turns errors of the client library and the server into faults.
func translate(ctx context.Context, err error) error {
	var f *fault.Error
	var api *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &f):
		return err
	case errors.Is(context.Cause(ctx), errDown), errors.Is(context.Cause(ctx), errClosed):
		return context.Cause(ctx)
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return errNotFound
	case errors.As(err, &api):
		return translateAPI(err, api)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return fault.Wrap(err, fault.Timeout, "coord.nats.timeout", "NATS did not answer in time")
	case errors.Is(err, context.Canceled):
		return fault.From(err)
	case errors.Is(err, nats.ErrPermissionViolation), errors.Is(err, nats.ErrAuthorization):
		return fault.Wrap(err, fault.Forbidden, "coord.nats.forbidden",
			"NATS refused it; the user needs publish and subscribe on $KV.>, $JS.API.> and _INBOX.>")
	}
	return fault.Wrap(err, fault.Unavailable, "coord.nats.unavailable", "NATS cannot be reached")
}

func translateAPI(err error, api *jetstream.APIError) error {
	switch {
	case api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence,
		api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant:
		return errWrongRevision
	case api.ErrorCode == jetstream.JSErrCodeStreamNotFound:
		return fault.Wrap(err, fault.Unavailable, "coord.nats.stream", "the bucket was deleted under way; connect anew to create it")
	case api.Code == 503:
		return fault.Wrap(err, fault.Unavailable, "coord.nats.unavailable", "JetStream is not ready")
	}
	return fault.Wrap(err, fault.Internal, "coord.nats.api", "JetStream refused it")
}
