// Package bus is the portable message bus: request, direct request, serve,
// publish, subscribe, and for the binding service apply and list bindings. It
// is imported by package platform, by the binding service and by app; services
// use package platform, which adds what a call needs beside delivery.
//
// Delivery: a request is delivered at most once. It carries its remaining time
// budget; when that is spent it is dropped, never handled late. A caller gets an
// answer within its budget: the reply, or NoRoute, Timeout or Unavailable made
// on its own side. This package never retries. Events are published to topics:
// every ephemeral subscription gets one, and one member of every group gets one,
// at least once, until it is acknowledged or goes to the dead letters.
//
// Errors are faults, with reasons that begin with "bus.". All types may be used
// from many goroutines.
package bus

import (
	"context"
	"strconv"
	"time"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// DefaultBudget is the time budget of a request whose context has no deadline.
const DefaultBudget = 10 * time.Second

// Bus is one connection to a bus.
type Bus struct{ driver driver.Bus }

// New returns the portable bus on top of a driver.
func New(d driver.Bus) *Bus { return &Bus{driver: d} }

// Request sends m to one instance of the service named by its HeaderService, as
// the routing rule decides, and returns the reply, which may be of TypeError. It
// sets m's HeaderBudget from ctx's deadline and keeps m no longer than the call.
func (b *Bus) Request(ctx context.Context, m *Message) (*Message, error) {
	if m.Header.Get(HeaderService) == "" {
		return nil, fault.New(fault.BadRequest, "bus.no_service", "a request needs the header %s", HeaderService)
	}
	return b.request(ctx, "", m)
}

// RequestTo sends m to one named instance, whatever the bindings.
func (b *Bus) RequestTo(ctx context.Context, instance string, m *Message) (*Message, error) {
	if instance == "" || len(instance) > driver.MaxName {
		return nil, fault.New(fault.BadRequest, "bus.no_instance",
			"a direct request needs the id of an instance, of %d bytes at most", driver.MaxName)
	}
	return b.request(ctx, instance, m)
}

func (b *Bus) request(ctx context.Context, instance string, m *Message) (*Message, error) {
	if err := checkSize(m); err != nil {
		return nil, err
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, DefaultBudget)
		defer cancel()
		deadline, _ = ctx.Deadline()
	}
	budget := time.Until(deadline)
	if budget <= 0 {
		return nil, fault.New(fault.Timeout, "bus.budget_spent", "the time budget was spent before the request was sent")
	}
	m.Header.Set(HeaderBudget, strconv.FormatInt(max(budget.Milliseconds(), 1), 10))
	reply, err := b.driver.Request(ctx, instance, m)
	if err == nil && reply.Header.Get(HeaderType) == TypeError {
		err = serverFault(reply)
	}
	if err != nil {
		return nil, err
	}
	return reply, nil
}

// serverFault returns what the bus on the server's side says in its handler's
// stead, or nil where the error is the handler's own.
func serverFault(reply *Message) error {
	reason := reply.Header.Get(HeaderFault)
	if reason == "" {
		return nil
	}
	e := fault.New(fault.BadResponse, reason, "the service's answer could not be sent back")
	e.Origin = fault.Peer
	return e
}

// Apply makes bindings the whole set of zone z. See driver.Bus.
func (b *Bus) Apply(ctx context.Context, z Zone, bindings []Binding) error {
	return b.driver.Apply(ctx, z, bindings)
}

// Bindings lists what is bound in zone z, from the engine itself.
func (b *Bus) Bindings(ctx context.Context, z Zone) ([]Binding, error) {
	return b.driver.Bindings(ctx, z)
}

// Check returns nil when the bus is connected, else Unavailable.
func (b *Bus) Check(ctx context.Context) error { return b.driver.Check(ctx) }

// Close ends the connection. Drain servers first: what is under way fails.
func (b *Bus) Close(ctx context.Context) error { return b.driver.Close(ctx) }

func checkSize(m *Message) error {
	if len(m.Body) > MaxBody {
		return fault.New(fault.BadRequest, driver.ReasonTooLarge,
			"the message body has %d bytes, the bus takes %d at most", len(m.Body), MaxBody)
	}
	size := 0
	for i := range m.Header {
		size += len(m.Header[i].Key) + len(m.Header[i].Value)
	}
	if size > MaxHeader {
		return fault.New(fault.BadRequest, "bus.header_too_large",
			"the message header has %d bytes, the bus takes %d at most", size, MaxHeader)
	}
	return nil
}
