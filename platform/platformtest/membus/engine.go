// Package membus is the bus in memory: a driver with the whole delivery contract
// of bus/driver and no engine, for tests of services. Package platformtest opens
// it; other tests may use it directly, on top of bus.New.
//
// It uses nothing but memory, channels and timers, so that it works inside a
// testing/synctest bubble, where time is virtual. Connections of one Engine see
// each other; nothing outlives the Engine. An outage can be staged with Stop and
// Start, the death of a process with Sever.
package membus

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// Engine is what the connections of one bus have in common. Its methods may be
// called concurrently.
type Engine struct {
	table  driver.Table
	queues sync.Map // instance -> *queue, the newest of that name

	mu      sync.Mutex
	bound   map[driver.Zone]map[string][]driver.Binding // by service
	subs    map[*ephemeral]struct{}
	groups  map[groupKey]*group
	letters map[string][]letter // by group
	buried  int                 // letters so far

	power *power
}

// New returns an engine that runs.
func New() *Engine {
	return &Engine{
		bound:   map[driver.Zone]map[string][]driver.Binding{},
		subs:    map[*ephemeral]struct{}{},
		groups:  map[groupKey]*group{},
		letters: map[string][]letter{},
		power:   newPower(),
	}
}

// Open makes a new connection that routes from z.
func (e *Engine) Open(z driver.Zone) driver.Bus {
	c := &conn{engine: e, zone: z}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	return c
}

// Stop stages an outage: requests under way fail with Unavailable, and until
// Start no request, reply or event passes.
func (e *Engine) Stop() { e.power.stop() }

// Start ends the outage. Queues, subscriptions, bindings and stored events are
// back at once.
func (e *Engine) Start() { e.power.start() }

// Sever cuts b off without a word, as kill -9 of its process would: its queues
// are gone and what its handlers still return goes nowhere.
func (e *Engine) Sever(b driver.Bus) {
	c := b.(*conn)
	c.cancel(fault.New(fault.Unavailable, driver.ReasonDisconnected, "there is no connection to the bus: it was severed by the test"))
	for _, consumer := range c.openConsumers() {
		consumer.cut()
	}
}

// power says whether the engine runs.
type power struct {
	mu     sync.Mutex
	up     chan struct{} // closed while it runs
	outage chan struct{} // closed when it stops; a new one for every run
}

func newPower() *power {
	p := &power{up: make(chan struct{}), outage: make(chan struct{})}
	close(p.up)
	return p
}

func (p *power) now() (up, outage <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.up, p.outage
}

func (p *power) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !isClosed(p.outage) {
		p.up = make(chan struct{})
		close(p.outage)
	}
}

func (p *power) start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if isClosed(p.outage) {
		p.outage = make(chan struct{})
		close(p.up)
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// clone copies a message, so that neither side sees what the other does with it.
func clone(m *driver.Message) *driver.Message {
	return &driver.Message{Header: m.Header.Clone(), Body: append([]byte(nil), m.Body...)}
}

// Left names what is open: queues by their instance, subscriptions by their topic
// and group.
func (e *Engine) Left() []string {
	var left []string
	e.queues.Range(func(instance, _ any) bool {
		left = append(left, "queue "+instance.(string))
		return true
	})
	e.mu.Lock()
	defer e.mu.Unlock()
	for s := range e.subs {
		left = append(left, "subscription to "+s.topic)
	}
	for key, g := range e.groups {
		if n := g.members(); n > 0 {
			left = append(left, fmt.Sprintf("%d members of group %s on %s", n, key.name, key.topic))
		}
	}
	slices.Sort(left)
	return left
}
