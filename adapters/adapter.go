package adapters

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"sync"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/config"
)

// Pauses between attempts to reach the server of a new configuration.
const (
	firstRetry   = time.Second
	longestRetry = 30 * time.Second
)

// Adapter is one service's client of an outside system, through all its
// configurations.
type Adapter[C Client] struct {
	kind    Kind[C]
	service string
	name    string
	key     string
	values  *config.Values
	log     *slog.Logger
	metrics *instruments
	changed chan struct{}

	unsubscribe func() // from changes; nil before start

	mu      sync.Mutex
	current *generation[C] // nil where nothing is in force
	problem *fault.Error   // why nothing is in force

	drains sync.WaitGroup // of replaced generations
	hurry  chan struct{}  // closed when those may not take their time

	told string // the last complaint; only what applies configurations uses it
}

var adapterName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// New returns the adapter that serves svc under this name, and has svc run it. It
// panics on mistakes of the program: a bad name, or after Run has begun.
func New[C Client](svc *platform.Service, name string, k Kind[C]) *Adapter[C] {
	if !adapterName.MatchString(name) {
		panic(fmt.Sprintf("adapters/%s: name %q: want a lower-case word, such as \"orders\"", k.Name, name))
	}
	a := &Adapter[C]{
		kind:    k,
		service: svc.Name(),
		name:    name,
		key:     "hansom.adapters." + k.Name + "." + name,
		values:  svc.Config(),
		changed: make(chan struct{}, 1),
		hurry:   make(chan struct{}),
	}
	a.log = svc.Logger().With("adapter", k.Name+":"+name)
	a.metrics = newInstruments(svc.Name(), k.Name, name)
	a.problem = a.notConfigured()
	svc.Check("adapter:"+k.Name+":"+name, a.Check)
	svc.OnStart(a.start)
	svc.Background(a.follow)
	svc.OnStop(a.stop)
	return a
}

// Key returns the key of the adapter's configuration.
func (a *Adapter[C]) Key() string { return a.key }

// Check makes one round trip to the server.
func (a *Adapter[C]) Check(ctx context.Context) error {
	op, err := a.Start(ctx, "PING")
	if err != nil {
		return err
	}
	return op.End(op.Client().Prove(op.Context()))
}

func (a *Adapter[C]) reason(what string) string { return "adapters." + a.kind.Name + "." + what }

func (a *Adapter[C]) notConfigured() *fault.Error {
	return fault.New(fault.Unavailable, a.reason("not_configured"), "%s %s is not configured", a.kind.Name, a.name).
		WithDetail("set %s in the configuration of %s", a.key, a.service)
}

// start is the first look at the configuration. A server that is away does not keep
// the service from starting.
func (a *Adapter[C]) start(ctx context.Context) error {
	watch(a)
	a.unsubscribe = a.values.OnChange(a.key, a.signal)
	if a.apply(ctx) {
		a.signal()
	}
	return nil
}

func (a *Adapter[C]) signal() {
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

// follow applies changes of the configuration until ctx ends.
func (a *Adapter[C]) follow(ctx context.Context) error {
	var retry <-chan time.Time
	pause := firstRetry
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.changed:
			pause = firstRetry
		case <-retry:
			pause = min(2*pause, longestRetry)
		}
		retry = nil
		if a.apply(ctx) {
			retry = time.After(pause)
		}
	}
}

// apply brings the configuration into force, and reports whether to try again
// without a change of it.
func (a *Adapter[C]) apply(ctx context.Context) (again bool) {
	var document json.RawMessage
	if err := a.values.Decode(a.key, &document); err != nil {
		a.refuse(ctx, err)
		return false
	}
	current := a.inForce()
	if document == nil {
		a.remove(ctx)
		return false
	}
	if current != nil && bytes.Equal(document, current.document) {
		a.told = ""
		return false
	}
	decode := func(settings any) error { return a.values.Decode(a.key, settings) }
	client, err := a.kind.Open(decode, a.service)
	if err != nil {
		a.refuse(ctx, err)
		return false
	}
	return !a.replace(ctx, current, newGeneration(client, document))
}

// replace puts next into force where it is proven, or nothing better is there.
func (a *Adapter[C]) replace(ctx context.Context, current, next *generation[C]) bool {
	address := next.client.Target().Address()
	err := a.prove(ctx, next)
	if err != nil && current != nil && current.proven.Load() {
		_ = next.client.Close() // it has no connection that works
		if ctx.Err() != nil {
			return true
		}
		a.complain(ctx, slog.LevelError, "a new configuration is not taken: its server cannot be used, the old one stays in force; it is tried again",
			"server", address, "error", err, "remedy", "check the server, or correct "+a.key+"; `hansom config explain` tells which document sets it")
		a.metrics.configuration("unreachable")
		return false
	}
	if err != nil && ctx.Err() == nil {
		a.log.WarnContext(ctx, "the server cannot be used yet; operations fail until it can", "key", a.key, "server", address, "error", err,
			"remedy", "check the server, or correct "+a.key)
	} else {
		a.log.InfoContext(ctx, "the configuration is in force", "key", a.key, "server", address)
	}
	a.metrics.configuration("applied")
	a.told = ""
	a.swap(next, nil)
	return true
}

func (a *Adapter[C]) prove(ctx context.Context, g *generation[C]) error {
	ctx, cancel := context.WithTimeout(ctx, g.client.Limits().ConnectTimeout)
	defer cancel()
	if err := g.client.Prove(ctx); err != nil {
		return a.translate(ctx, err)
	}
	g.proven.Store(true)
	return nil
}

// refuse keeps what is in force. The error says how to mend the configuration.
func (a *Adapter[C]) refuse(ctx context.Context, err error) {
	a.complain(ctx, slog.LevelError, "the configuration is refused", "error", err, "old_stays_in_force", a.inForce() != nil,
		"remedy", "correct "+a.key+"; `hansom config explain` tells which document sets it")
	a.metrics.configuration("refused")
	a.mu.Lock()
	defer a.mu.Unlock()
	a.problem = fault.New(fault.Unavailable, a.reason("refused"), "the configuration of %s %s cannot be used", a.kind.Name, a.name).
		WithDetail("%s: %v", a.key, err)
}

// remove closes what is in force, because its configuration is gone.
func (a *Adapter[C]) remove(ctx context.Context) {
	if a.inForce() == nil {
		a.complain(ctx, slog.LevelWarn, "there is no configuration", "remedy", "set "+a.key)
	} else {
		a.log.WarnContext(ctx, "the configuration was removed: closing", "key", a.key)
	}
	a.swap(nil, a.notConfigured())
}

// complain logs what was not said just before.
func (a *Adapter[C]) complain(ctx context.Context, level slog.Level, message string, attrs ...any) {
	text := fmt.Sprint(append([]any{message}, attrs...)...)
	if text == a.told {
		level = slog.LevelDebug
	}
	a.told = text
	a.log.Log(ctx, level, message, append([]any{"key", a.key}, attrs...)...)
}

// translate makes a fault of a client's error. What the server said for certain
// stays; what may be due to ctx is told as the end of ctx.
func (a *Adapter[C]) translate(ctx context.Context, err error) *fault.Error {
	var f *fault.Error
	if errors.As(err, &f) {
		return f
	}
	f = a.kind.Translate(err)
	switch f.Code {
	case fault.Internal, fault.Unavailable, fault.Timeout:
	default:
		return f
	}
	cause := end(ctx)
	if cause == nil {
		return f
	}
	if replaced, ok := cause.(*fault.Error); ok { //nolint:errorlint // causes made here are not wrapped
		return replaced
	}
	return fault.From(cause).WithDetail("%v", err)
}

// end returns why ctx is over, nil where it is not. A socket that has the context's
// deadline may notice it before the context does.
func end(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return nil
}
