package redis

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/redis/go-redis/v9"

	"github.com/hansom-platform/hansom/fault"
)

// kind is what an error means to callers.
type kind struct {
	code    fault.Code
	reason  string
	message string
}

var (
	notFound    = kind{fault.NotFound, "not_found", "there is no such key"}
	changed     = kind{fault.Conflict, "changed", "it was changed at the same time"}
	exists      = kind{fault.Conflict, "exists", "it exists already"}
	timeout     = kind{fault.Timeout, "timeout", "Redis took too long"}
	exhausted   = kind{fault.Unavailable, "pool_exhausted", "all connections are busy"}
	unreachable = kind{fault.Unavailable, "unreachable", "Redis cannot be reached"}
	away        = kind{fault.Unavailable, "away", "Redis cannot answer now"}
	full        = kind{fault.Unavailable, "full", "Redis has no room"}
	readOnly    = kind{fault.Unavailable, "read_only", "Redis takes no writes now"}
	login       = kind{fault.Unavailable, "login", "Redis refuses the login"}
	denied      = kind{fault.Internal, "denied", "Redis does not allow it"}
	command     = kind{fault.Internal, "command", "something went wrong on our side"}
)

// translate makes a fault of what go-redis returns.
func translate(err error) *fault.Error {
	k := kindOf(err)
	return fault.Wrap(err, k.code, "adapters.redis."+k.reason, k.message)
}

func kindOf(err error) kind {
	var network net.Error
	switch {
	case errors.Is(err, redis.Nil):
		return notFound
	case errors.Is(err, redis.TxFailedErr):
		return changed
	case errors.Is(err, redis.ErrPoolTimeout), errors.Is(err, redis.ErrPoolExhausted):
		return exhausted
	case errors.Is(err, redis.ErrClosed), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return unreachable
	case isDial(err):
		return unreachable
	case errors.Is(err, context.DeadlineExceeded):
		return timeout
	case errors.As(err, &network):
		if network.Timeout() {
			return timeout
		}
		return unreachable
	}
	return answerKind(err)
}

// isDial reports whether no connection was made.
func isDial(err error) bool {
	var network *net.OpError
	return errors.As(err, &network) && network.Op == "dial"
}

// answerKind reads the word that an error of the server begins with.
func answerKind(err error) kind {
	for _, p := range []struct {
		prefix string
		kind   kind
	}{
		{"BUSYKEY", exists}, {"BUSYGROUP", exists},
		{"LOADING", away}, {"MASTERDOWN", away}, {"CLUSTERDOWN", away}, {"TRYAGAIN", away}, {"BUSY ", away}, {"NOREPLICAS", away},
		{"max number of clients", full}, {"OOM", full}, {"MISCONF", full},
		{"READONLY", readOnly},
		{"NOAUTH", login}, {"WRONGPASS", login}, {"AUTH ", login}, {"invalid password", login},
		{"Client sent AUTH", login}, {"invalid DB index", login}, {"DB index is out of range", login},
		{"NOPERM", denied},
	} {
		if redis.HasErrorPrefix(err, p.prefix) {
			return p.kind
		}
	}
	return command
}
