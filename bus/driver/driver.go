// Package driver is what a bus driver implements. Programs use package bus,
// which writes once, above every driver, what all of them need: time budgets,
// size limits, draining, the coding of errors. Only drivers, package bus and
// the conformance suite import this package.
//
// # Contract
//
// All methods may be called concurrently. A method that takes a context returns
// by its deadline. Drivers reconnect by themselves, for ever, with jittered
// backoff, and bring back their queues, subscriptions and view of the bindings;
// while the engine is away, calls fail with fault.Unavailable at the latest when
// their context ends, and none hangs. Drivers never retry a request whose
// message may have been delivered; sending to the next candidate after the
// engine said that nobody was there is no retry and is the driver's duty.
//
// Slices and messages handed to a driver are not changed by it and not kept
// after the call returns; those it hands out belong to the receiver.
//
// Errors are faults: NoRoute (reason "bus.no_route.<why>", with a message that
// explains), Timeout, Unavailable, BadRequest, and NotFound of dead letters, with
// the reasons of this package.
// A driver invents no other code.
package driver

import (
	"context"
	"time"
)

// Bus is one connection to a bus, with the zone it routes from.
type Bus interface {
	// Request sends m and waits for its one reply. With instance "", the routing
	// rule picks the receiver among the bindings of m's HeaderService; otherwise m
	// goes to that instance's queue, whatever the bindings. ctx has a deadline and
	// m a HeaderBudget. The reply may be of type TypeError; it is not looked into.
	//
	// NoRoute comes back at once where nobody can take m; Timeout when ctx's
	// deadline passed after m was sent; Unavailable when m could not be sent
	// (ReasonDisconnected) or the connection broke after that (ReasonLost).
	Request(ctx context.Context, instance string, m *Message) (*Message, error)

	// Serve opens the queue named instance, which is exclusive to this connection
	// and goes away with it, and hands every message to h. It returns once the
	// queue is open. Serve never binds the queue.
	//
	// Where a message may have waited for long before it is handed over, in the
	// engine or because this process was stopped, the driver takes that off its
	// HeaderBudget: package bus counts the budget from the moment h is called.
	Serve(ctx context.Context, instance string, h Handler) (Consumer, error)

	// Publish hands m to every subscription of topic. It returns nil once the
	// engine has stored it for all durable groups that exist.
	Publish(ctx context.Context, topic string, m *Message) error

	// Subscribe receives the events of s.Topic until the consumer is closed. It
	// returns once no later event can be missed.
	Subscribe(ctx context.Context, s Subscription, h EventHandler) (Consumer, error)

	// Apply makes bindings, all of z, the zone's whole set: new ones are added
	// before old ones are removed. It returns when the engine has them; clients
	// follow within milliseconds. It is for the zone's one leading binding service:
	// z is the zone that the connection routes from. Other zones have their own.
	Apply(ctx context.Context, z Zone, bindings []Binding) error

	// Bindings lists what is really bound in zone z, from the engine itself. z is
	// the zone that the connection routes from.
	Bindings(ctx context.Context, z Zone) ([]Binding, error)

	// DeadLetters lists up to limit events of a group that were given up, oldest first.
	DeadLetters(ctx context.Context, group string, limit int) ([]DeadLetter, error)

	// DeadGroups lists the groups that have dead letters, by name.
	DeadGroups(ctx context.Context) ([]DeadGroup, error)

	// ReplayLetter gives a dead letter back to its group, and to no other, as the
	// event it was, on attempt 1; then it is removed from the letters. A failure
	// between the two may leave both. NotFound where there is no such letter
	// (ReasonNoLetter), or nobody ever took its topic for the group on this engine
	// (ReasonNoGroup): the letter then stays.
	ReplayLetter(ctx context.Context, group, id string) error

	// DropLetter removes a dead letter. NotFound where there is none.
	DropLetter(ctx context.Context, group, id string) error

	// Check returns nil when the engine is connected, else Unavailable.
	Check(ctx context.Context) error

	// Close ends the connection: queues and ephemeral subscriptions are gone when
	// it returns. Requests under way fail with Unavailable.
	Close(ctx context.Context) error
}

// A Keeper is a Bus whose engine must be looked after in every zone. The binding
// service does that; of drivers that are no Keepers nothing is asked.
type Keeper interface {
	// Answer tells callers why the engine could not route their requests: NoRoute.
	// It returns when ctx ends, with nil then, and survives losses of the
	// connection. Several may run in a zone: each message is answered once.
	Answer(ctx context.Context) error

	// Join sets the connection's zone up and keeps it joined to the region's other
	// zones until ctx ends: what runs there can be called from here while it can be
	// reached; a zone that is dead for 3 s has no bindings here. One runs per zone,
	// at the leader.
	Join(ctx context.Context) error
}

// A Handler takes one delivered message. It must not block: package bus starts
// a goroutine for what takes longer. m is its own to keep.
type Handler func(m *Message, r Replier)

// A Replier answers one delivered message.
type Replier interface {
	// Reply sends the answer; at most one is sent. It does not wait for the
	// receiver. A reply nobody waits for any more is dropped without an error.
	Reply(m *Message) error
}

// Subscription says which events to receive and how.
type Subscription struct {
	Topic string // exact, such as "discovery.up", or with a last segment "*": one level, or ">": everything below

	// Group "" makes an ephemeral subscription: this one gets each event published
	// while it is connected, in order, at most once; when it is slower than the
	// bus for long, events are dropped and counted, and nobody else waits.
	// Otherwise one member of the group gets each event, from the group's first
	// subscription on, also those published while no member ran; an event is
	// acknowledged when the handler returns nil and redelivered otherwise, so that
	// it is handled at least once.
	Group string

	// For groups only; zero values mean the defaults in brackets.
	MaxDeliver  int           // deliveries before the event goes to the dead letters with the last error as the reason (5)
	AckWait     time.Duration // a delivery not finished by then counts as failed (30 s)
	RetryDelay  time.Duration // before the first redelivery; doubles with each (200 ms)
	Concurrency int           // handlers at once in this subscription (1)
}

// An EventHandler handles one event. ctx ends when the subscription closes or
// the event's AckWait is over.
type EventHandler func(ctx context.Context, e *Event) error

// An Event is one delivery of a published message.
type Event struct {
	Topic   string
	Message *Message
	Attempt int // 1 on the first delivery
}

// A DeadLetter is an event that its group gave up.
type DeadLetter struct {
	ID       string // names it within the group
	Group    string
	Topic    string
	Reason   string // the last handler error, or what the engine said
	Attempts int
	At       time.Time
	Message  *Message
}

// A DeadGroup is a group that has dead letters.
type DeadGroup struct {
	Group   string
	Letters int
}

// A Consumer is an open queue or subscription.
type Consumer interface {
	// Drain stops new deliveries and returns when every message that the engine
	// had handed over has been given to the handler (for events: handled). What
	// comes later goes elsewhere.
	Drain(ctx context.Context) error
	// Close stops at once. It is idempotent and may follow Drain. It may wait for
	// handlers under way, whose contexts it ends: no handler may call it.
	Close() error
	// Dropped counts the events that an ephemeral subscription lost because its
	// handler was too slow.
	Dropped() int
}
