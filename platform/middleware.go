package platform

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/hansom-platform/hansom/proto/rpc"
)

// Side says on which side of a call a middleware runs.
type Side uint8

// The sides.
const (
	Serving Side = iota // the request came in
	Calling             // the request goes out
)

// Request is one request as middleware sees it: once per call, whatever the
// attempts. It must not be kept after the handler returned.
type Request struct {
	Endpoint *rpc.Endpoint
	Message  proto.Message
	Side     Side
	Caller   Caller // who sent it; on the calling side, this client

	response proto.Message // Calling: what the caller wants filled in
	handler  rpc.Handler   // Serving: the endpoint's own
}

// Handler answers one request.
type Handler func(ctx context.Context, r *Request) (proto.Message, error)

// Middleware wraps a Handler, the same way on both sides. Calls with CallRaw,
// whose bodies this side cannot read, do not pass it on the calling side.
type Middleware func(next Handler) Handler

// chain wraps h so that the first middleware is outermost.
func chain(mw []Middleware, h Handler) Handler {
	for i := len(mw) - 1; i >= 0; i-- {
		h = mw[i](h)
	}
	return h
}
