// Package rpc is the seam between the code that protoc-gen-hansom generates and
// the platform library: generated servers and clients know only what is here, so
// that the generated code stays beside its contract and imports nothing else of
// ours. Service authors meet it in signatures; they write none of it.
package rpc

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"
)

// Endpoint is what a contract says of one endpoint. Generated code holds one
// value per endpoint, which is never changed.
type Endpoint struct {
	Service    string // "core.eta"
	Name       string // "estimate"
	Roles      []string
	Mean       time.Duration // 0: unknown
	Upper95    time.Duration // 0: unknown
	Idempotent bool          // may be repeated without harm

	NewRequest  func() proto.Message
	NewResponse func() proto.Message
}

// Names of the endpoints that every instance has. No contract may use them.
const (
	Health    = "health"    // health checks
	Stats     = "stats"     // what the instance served and how its breakers stand
	Schema    = "schema"    // its endpoints and their messages
	Hops      = "hops"      // what it remembers of one trace
	Config    = "config"    // the revision of configuration that it runs
	Heartbeat = "heartbeat" // kernel.discovery's
)

// IsBuiltin reports whether every instance has an endpoint of that name.
func IsBuiltin(endpoint string) bool {
	switch endpoint {
	case Health, Stats, Schema, Hops, Config, Heartbeat:
		return true
	}
	return false
}

// Handler handles one request of an endpoint.
type Handler func(ctx context.Context, request proto.Message) (proto.Message, error)

// Registrar takes endpoints to serve. A *platform.Service is one.
type Registrar interface {
	// Handle serves e with h. It panics when e's service is not the registrar's or
	// the endpoint is registered already: both are mistakes in the program.
	Handle(e *Endpoint, h Handler)
}

// Caller calls endpoints. A *platform.Service is one.
type Caller interface {
	// Call sends request and fills in response. Errors are faults.
	Call(ctx context.Context, e *Endpoint, request, response proto.Message) error
}
