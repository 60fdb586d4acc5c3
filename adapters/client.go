package adapters

import (
	"context"
	"net"
	"strconv"

	"github.com/hansom-platform/hansom/fault"
)

// Client is what an adapter opens for one configuration.
type Client interface {
	// Prove makes one round trip to the server.
	Prove(ctx context.Context) error
	// Target says what the client talks to, without secrets.
	Target() Target
	// Limits returns the configuration's limits.
	Limits() Limits
	// Idle returns how many connections are open and unused.
	Idle() int
	// Close closes all connections. It is called once, when nothing uses the
	// client any more or the limit for that has passed.
	Close() error
}

// Kind is a kind of outside system.
type Kind[C Client] struct {
	// Name is the word in configuration keys, metrics, reasons and the names of
	// checks: "sql".
	Name string
	// Open makes a client without connecting. decode reads the configuration into
	// a struct that holds the defaults; service is the name to give to the server.
	// The error is the operator's mistake and says how to mend it, without secrets.
	Open func(decode func(settings any) error, service string) (C, error)
	// Translate makes a fault of what a client returned. It is not given nil, nor
	// what is a fault already.
	Translate func(err error) *fault.Error
}

// Target describes a server in spans and logs.
type Target struct {
	System    string // db.system.name of OpenTelemetry's semantic conventions: "postgresql"
	Namespace string // the database
	Host      string // or the path of a socket
	Port      int    // 0 for a socket
}

// Address returns host:port, or the path of a socket.
func (t Target) Address() string {
	if t.Port == 0 {
		return t.Host
	}
	return net.JoinHostPort(t.Host, strconv.Itoa(t.Port))
}
