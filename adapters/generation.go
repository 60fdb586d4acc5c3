package adapters

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/hansom-platform/hansom/fault"
)

// generation is the client of one configuration. The Adapter's mutex guards users
// and closed.
type generation[C Client] struct {
	client   C
	document []byte
	places   chan struct{} // one for each operation at once
	proven   atomic.Bool   // the server answered once

	users   int
	retired chan struct{} // closed when another took its place
	drained chan struct{} // closed when it is retired and nobody uses it
	ended   context.Context
	end     context.CancelCauseFunc
}

func newGeneration[C Client](client C, document []byte) *generation[C] {
	g := &generation[C]{
		client: client, document: document,
		places:  make(chan struct{}, client.Limits().MaxOpen),
		retired: make(chan struct{}),
		drained: make(chan struct{}),
	}
	g.ended, g.end = context.WithCancelCause(context.Background())
	return g
}

func (g *generation[C]) isRetired() bool {
	select {
	case <-g.retired:
		return true
	default:
		return false
	}
}

func (a *Adapter[C]) inForce() *generation[C] {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.current
}

// use returns what is in force. Give it back with leave.
func (a *Adapter[C]) use() (*generation[C], error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.current == nil {
		return nil, a.problem
	}
	a.current.users++
	return a.current, nil
}

func (a *Adapter[C]) leave(g *generation[C]) {
	a.mu.Lock()
	defer a.mu.Unlock()
	g.users--
	if g.users == 0 && g.isRetired() {
		close(g.drained)
	}
}

// swap puts next into force, or nothing because of the problem, and drains what was.
func (a *Adapter[C]) swap(next *generation[C], problem *fault.Error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.current
	a.current, a.problem = next, problem
	if old == nil {
		return
	}
	close(old.retired)
	if old.users == 0 {
		close(old.drained)
	}
	a.drains.Go(func() { a.drain(old) })
}

// endGrace is how long operations that were ended may take to notice.
const endGrace = time.Second

// drain closes g when nobody uses it any more, or the limit has passed.
func (a *Adapter[C]) drain(g *generation[C]) {
	limit := time.NewTimer(g.client.Limits().Drain)
	defer limit.Stop()
	select {
	case <-g.drained:
	case <-limit.C:
		a.cutShort(g)
	case <-a.hurry:
		a.cutShort(g)
	}
	g.end(nil)
	if err := g.client.Close(); err != nil {
		a.log.Warn("closing the connections of a former configuration failed", "key", a.key, "error", a.translate(context.Background(), err))
	}
}

func (a *Adapter[C]) cutShort(g *generation[C]) {
	a.mu.Lock()
	users := g.users
	a.mu.Unlock()
	a.log.Warn("operations still run on a former configuration: they are ended", "key", a.key, "operations", users,
		"limit", g.client.Limits().Drain, "remedy", "give operations shorter budgets, or raise "+a.key+".drain")
	g.end(fault.New(fault.Unavailable, a.reason("replaced"), "the operation was ended because its configuration was replaced"))
	grace := time.NewTimer(endGrace)
	defer grace.Stop()
	select {
	case <-g.drained:
	case <-grace.C:
	}
}

// stopLimit is what operations have to finish when the service stops.
const stopLimit = 3 * time.Second

// stop closes everything.
func (a *Adapter[C]) stop(ctx context.Context) {
	unwatch(a)
	if a.unsubscribe != nil {
		a.unsubscribe()
	}
	a.swap(nil, fault.New(fault.Unavailable, a.reason("closed"), "the service is stopping"))
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.drains.Wait()
	}()
	limit := time.NewTimer(stopLimit)
	defer limit.Stop()
	select {
	case <-done:
		return
	case <-limit.C:
		close(a.hurry)
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
}
