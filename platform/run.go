package platform

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	liveconfig "github.com/hansom-platform/hansom/platform/config"
	"github.com/hansom-platform/hansom/platform/telemetry"
)

// Dial connects to the bus. Run closes what it returns.
type Dial func(ctx context.Context) (*bus.Bus, error)

// errDrained ends what runs beside the handlers when the drain begins.
var errDrained = errors.New("the instance is draining")

// Run connects, opens the instance's queue and subscriptions, has kernel.login tell who
// it is, calls OnStart, registers, and serves until ctx ends; then it drains and returns nil. It returns
// an error when it could not start, when a Background function failed, or when the
// instance lost its place: no heartbeats, though it registered again and
// reconnected as often as Timings say. A service runs once.
func (s *Service) Run(ctx context.Context, dial Dial) error {
	if !s.running.CompareAndSwap(false, true) {
		return fault.New(fault.Conflict, "platform.run_twice", "service %s was run already: make another with New", s.name)
	}
	ctx = s.identify(ctx)
	l := &life{Service: s, dial: dial, timings: s.config.timings.withDefaults(s.heartbeats)}
	defer l.stop(ctx)
	end, err := l.takePassport(ctx)
	if err != nil {
		return fmt.Errorf("start %s: %w", s.instance, err)
	}
	defer end()
	defer l.configuration.leave()
	if err := l.start(ctx); err != nil {
		l.close(ctx)
		return fmt.Errorf("start %s: %w", s.instance, err)
	}
	err = l.work(ctx)
	l.drain(context.WithoutCancel(ctx))
	if err != nil {
		return fmt.Errorf("run %s: %w", s.instance, err)
	}
	return nil
}

// identify has logs and spans below ctx name the instance, and ctx carry its
// configuration.
func (s *Service) identify(ctx context.Context) context.Context {
	return telemetry.WithIdentity(liveconfig.NewContext(ctx, s.Config()), telemetry.Identity{
		Service: s.name, Version: s.config.version, Instance: s.instance,
		Region: s.config.zone.Region, Zone: s.config.zone.Zone,
	})
}

// life is one Run of a service.
type life struct {
	*Service
	dial    Dial
	timings Timings
	conn    connection
	listed  atomic.Int64 // Unix nanoseconds of the last successful registration
	login   *login       // nil: identity tokens come from elsewhere
}

// connection is what a life holds of one connection to the bus.
type connection struct {
	bus           *bus.Bus
	server        *bus.Server
	subscriptions []*bus.Subscriber
}

func (l *life) start(ctx context.Context) error {
	l.configuration.of(l.environment(), l.config.zone.Region)
	l.configuration.load(ctx)
	if err := l.open(ctx); err != nil {
		return err
	}
	if err := l.introduce(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	l.configuration.join(ctx)
	for _, f := range l.onStart {
		if err := l.guard(ctx, "start", f); err != nil {
			return err
		}
	}
	return nil
}

// open connects and opens the queue and the subscriptions.
func (l *life) open(ctx context.Context) error {
	b, err := l.dial(ctx)
	if err != nil {
		return fmt.Errorf("connect to the bus: %w", err)
	}
	l.conn = connection{bus: b}
	l.bus.Store(b)
	if l.conn.server, err = b.Serve(ctx, l.instance, l.serve); err != nil {
		return fmt.Errorf("open the queue: %w", err)
	}
	for _, s := range l.wanted() {
		sub, err := b.Subscribe(ctx, s.Subscription, s.handle)
		if err != nil {
			return fmt.Errorf("subscribe to %s: %w", s.Topic, err)
		}
		l.conn.subscriptions = append(l.conn.subscriptions, sub)
	}
	return nil
}

// wanted returns the service's subscriptions and the library's own.
func (l *life) wanted() []subscription {
	all := slices.Concat(l.subscriptions, l.configuration.subscriptions())
	if l.login != nil {
		all = append(all, subscription{bus.Subscription{Topic: topicBeacon}, l.login.beacon})
	}
	if l.timings.Lost >= 0 {
		all = append(all, subscription{bus.Subscription{Topic: topicReregister}, l.eventHandler(l.reregister)})
	}
	return all
}

// work runs the background functions beside registering and watching, until ctx
// ends or one of them fails.
func (l *life) work(parent context.Context) error {
	ctx, stop := context.WithCancelCause(parent)
	var background, belonging sync.WaitGroup
	for _, f := range l.background {
		background.Go(func() {
			if err := l.guard(ctx, "background", f); err != nil && ctx.Err() == nil {
				stop(err)
			}
		})
	}
	belonging.Go(func() {
		if err := l.belong(ctx); err != nil {
			stop(err)
		}
	})
	<-ctx.Done()
	l.draining.Store(true)
	stop(errDrained)
	belonging.Wait() // nothing registers or connects from here on
	if !within(l.timings.Drain, background.Wait) {
		l.log.WarnContext(ctx, "a background function ignores the end of its context; the drain goes on without it", "limit", l.timings.Drain)
	}
	if parent.Err() == nil {
		return context.Cause(ctx)
	}
	return nil
}

// within does f and reports whether it returned within the limit. After that
// it is left alone.
func within(limit time.Duration, f func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

func (l *life) guard(ctx context.Context, what string, f func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = l.panicked(ctx, what, p)
		}
	}()
	return f(ctx)
}

// drain unlists the instance, keeps serving until clients have seen it go, lets
// what is under way finish, and closes the connection.
func (l *life) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, l.timings.Drain)
	defer cancel()
	defer l.close(ctx)
	l.log.InfoContext(ctx, "draining", "inflight", l.inflight.Load())
	if l.conn.server == nil {
		return
	}
	l.deregister(ctx)
	pause(ctx, l.timings.Settle)
	if err := l.conn.server.Drain(ctx); err != nil {
		l.log.WarnContext(ctx, "the drain is cut short", "inflight", l.inflight.Load(), "limit", l.timings.Drain, "error", err)
	}
	for _, sub := range l.conn.subscriptions {
		if err := sub.Drain(ctx); err != nil {
			l.log.WarnContext(ctx, "a subscription was not drained", "error", err)
		}
	}
}

// closeLimit bounds what closing may take once the drain is over.
const closeLimit = 5 * time.Second

// close gives up the connection at once. Handlers that still run are cancelled; one
// that ignores that is left alone.
func (l *life) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
	defer cancel()
	c := l.conn
	l.conn = connection{}
	if !within(closeLimit, func() { c.close(ctx, l.log) }) {
		l.log.WarnContext(ctx, "a handler ignores the end of its context; the connection to the bus is given up as it is", "limit", closeLimit)
	}
}

// stop calls what OnStop was given.
func (l *life) stop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
	defer cancel()
	for _, f := range slices.Backward(l.onStop) {
		stopped := within(closeLimit, func() {
			err := l.guard(ctx, "stop", func(ctx context.Context) error { f(ctx); return nil })
			if err != nil {
				l.log.WarnContext(ctx, "stopping a part of the service failed", "error", err)
			}
		})
		if !stopped {
			l.log.WarnContext(ctx, "a function given to OnStop ignores the end of its context and is left alone", "limit", closeLimit)
		}
	}
}

func (c connection) close(ctx context.Context, log *slog.Logger) {
	var errs []error
	for _, sub := range c.subscriptions {
		errs = append(errs, sub.Close())
	}
	if c.server != nil {
		errs = append(errs, c.server.Close())
	}
	if c.bus != nil {
		errs = append(errs, c.bus.Close(ctx))
	}
	if err := errors.Join(errs...); err != nil {
		log.WarnContext(ctx, "closing the connection to the bus failed", "error", err)
	}
}

// pause waits for d or until ctx ends, and reports whether ctx is still good.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
