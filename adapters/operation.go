package adapters

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform/telemetry"
)

// Operation is one use of the client in force. Finish tells how it ended, Release
// gives the client back; End does both. Each has an effect once.
type Operation[C Client] struct {
	adapter *Adapter[C]
	of      *generation[C]
	name    string
	holds   bool // a place and a use of the generation

	ctx     context.Context
	cancel  context.CancelCauseFunc
	unlink  func() bool // from the end of the generation
	timeout *time.Timer // of an operation that is held beyond its end; may be nil
	span    telemetry.Span
	began   time.Time

	finished, released atomic.Bool
}

// Start begins an operation, of which Operation.Context is the context: where ctx
// has no deadline, the operation gets the configured timeout. The name is that of
// a kind of statement or command, in upper case: "SELECT". The error is a fault.
func (a *Adapter[C]) Start(ctx context.Context, name string) (*Operation[C], error) {
	return a.begin(ctx, name, false)
}

// Hold is Start for what outlives the operation: until Release, the context ends
// with ctx only. Until Finish the timeout holds.
func (a *Adapter[C]) Hold(ctx context.Context, name string) (*Operation[C], error) {
	return a.begin(ctx, name, true)
}

func (a *Adapter[C]) begin(ctx context.Context, name string, hold bool) (*Operation[C], error) {
	began := time.Now()
	ctx, span := telemetry.StartOutside(ctx, name+" "+a.name)
	g, err := a.place(ctx)
	if err != nil {
		f := a.translate(ctx, err)
		a.metrics.observe(name, f, time.Since(began))
		span.End(f)
		return nil, f
	}
	op := &Operation[C]{adapter: a, of: g, name: name, holds: true, span: span, began: began}
	op.open(ctx, hold)
	return op, nil
}

// Within begins an operation on the client that op holds already. Its error is
// told by Finish or End only.
func (op *Operation[C]) Within(ctx context.Context, name string) *Operation[C] {
	inner := &Operation[C]{adapter: op.adapter, of: op.of, name: name, began: time.Now()}
	ctx, inner.span = telemetry.StartOutside(ctx, name+" "+op.adapter.name)
	inner.open(ctx, false)
	return inner
}

func (op *Operation[C]) open(parent context.Context, hold bool) {
	ctx, cancel := context.WithCancelCause(parent)
	op.ctx, op.cancel = ctx, cancel
	limit := op.of.client.Limits().Timeout
	if _, bounded := parent.Deadline(); !bounded && hold {
		op.timeout = time.AfterFunc(limit, func() { cancel(context.DeadlineExceeded) })
	} else if !bounded {
		limited, release := context.WithTimeout(ctx, limit)
		op.ctx, op.cancel = limited, func(cause error) { cancel(cause); release() }
	}
	ended := op.of.ended
	op.unlink = context.AfterFunc(ended, func() { cancel(context.Cause(ended)) })
	op.describe()
}

// describe sets the attributes of OpenTelemetry's conventions for databases
// (https://opentelemetry.io/docs/specs/semconv/database/database-spans/); never
// db.query.text, which may hold what customers entered.
func (op *Operation[C]) describe() {
	if !op.span.Recording() {
		return
	}
	t := op.of.client.Target()
	op.span.SetString("db.system.name", t.System)
	op.span.SetString("db.namespace", t.Namespace)
	op.span.SetString("db.operation.name", op.name)
	op.span.SetString("server.address", t.Host)
	if t.Port != 0 {
		op.span.SetInt("server.port", int64(t.Port))
	}
}

// Client returns the client to use until Release.
func (op *Operation[C]) Client() C { return op.of.client }

// Context returns the context to use the client with.
func (op *Operation[C]) Context() context.Context { return op.ctx }

// Fault translates an error of the client; nil stays nil.
func (op *Operation[C]) Fault(err error) error {
	if err == nil {
		return nil
	}
	return op.adapter.translate(op.ctx, err)
}

// Finish notes how the operation ended and returns err as a fault, or nil. That
// something was not found is an answer and no error of the span.
func (op *Operation[C]) Finish(err error) error {
	err = op.Fault(err)
	if !op.finished.CompareAndSwap(false, true) {
		return err
	}
	if op.timeout != nil {
		op.timeout.Stop()
	}
	if err == nil {
		op.of.proven.Store(true)
		op.adapter.metrics.observe(op.name, nil, time.Since(op.began))
		op.span.End(nil)
		return nil
	}
	f := fault.From(err)
	op.adapter.metrics.observe(op.name, f, time.Since(op.began))
	if f.Code == fault.NotFound {
		op.span.End(nil)
	} else {
		op.span.End(f)
	}
	return err
}

// Release gives the client back and ends the context.
func (op *Operation[C]) Release() {
	if !op.released.CompareAndSwap(false, true) {
		return
	}
	op.unlink()
	op.cancel(nil)
	if op.holds {
		<-op.of.places
		op.adapter.metrics.used.Add(-1)
		op.adapter.leave(op.of)
	}
}

// End is Finish and Release.
func (op *Operation[C]) End(err error) error {
	defer op.Release()
	return op.Finish(err)
}

// place takes a place of the generation in force, of whichever it is by then.
func (a *Adapter[C]) place(ctx context.Context) (*generation[C], error) {
	for {
		g, err := a.use()
		if err != nil {
			return nil, err
		}
		err = a.wait(ctx, g)
		if err == nil {
			a.metrics.used.Add(1)
			return g, nil
		}
		a.leave(g)
		if !g.isRetired() {
			return nil, err
		}
	}
}

// wait takes a place of g. It returns an error when none became free in time, or
// g was retired meanwhile.
func (a *Adapter[C]) wait(ctx context.Context, g *generation[C]) error {
	select {
	case g.places <- struct{}{}:
		return nil
	default:
	}
	began := time.Now()
	defer func() { a.metrics.waited(time.Since(began)) }()
	limit := time.NewTimer(waitLimit(ctx, g.client.Limits().Wait))
	defer limit.Stop()
	select {
	case g.places <- struct{}{}:
		return nil
	case <-g.retired:
	case <-limit.C:
	case <-ctx.Done():
		if context.Cause(ctx) != context.DeadlineExceeded { //nolint:errorlint // contexts return it unwrapped
			return ctx.Err()
		}
	}
	return fault.New(fault.Unavailable, a.reason("pool_exhausted"), "%s %s is busy", a.kind.Name, a.name).
		WithDetail("all %d places were in use for %s: shorten what holds them, or raise %s.max_open", cap(g.places), time.Since(began).Round(time.Millisecond), a.key)
}

// waitLimit leaves a tenth of the budget for the answer.
func waitLimit(ctx context.Context, wait time.Duration) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return min(wait, time.Until(deadline)*9/10)
	}
	return wait
}
