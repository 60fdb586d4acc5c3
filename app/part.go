package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// A part is one thing that runs as long as the app does.
type part struct {
	name string
	// run calls ready once, when others may rely on the part, and returns when
	// ctx ends. Any other return is a failure that ends the app.
	run func(ctx context.Context, ready func()) error
}

// A stage is a set of parts that do not need each other to start. A stage starts
// when all parts of the one before are ready, and stops before it.
type stage []part

// A runner runs stages. It is used once.
type runner struct {
	log   *slog.Logger
	limit time.Duration // for stopping everything
	ended chan ended
	alive map[string]int // parts that have not ended, by name; only touched by the goroutine in run
}

// ended says how a part ended.
type ended struct {
	name string
	err  error
}

// run starts the stages one after another, calls up when the last is ready, waits
// until ctx ends or a part does, and stops in reverse order. It returns nil when
// ctx ended and everything stopped cleanly within the limit.
func (r *runner) run(ctx context.Context, stages []stage, up func()) error {
	r.ended, r.alive = make(chan ended), map[string]int{}
	var stops []context.CancelFunc
	var failure error
	for _, s := range stages {
		if ctx.Err() != nil {
			break
		}
		stageCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
		stops = append(stops, stop)
		defer stop()
		if failure = r.start(ctx, stageCtx, s); failure != nil {
			break
		}
	}
	if failure == nil && ctx.Err() == nil {
		up()
		failure = r.watch(ctx)
	}
	return errors.Join(failure, r.stop(stages, stops))
}

// start returns when every part of s is ready, or ctx ended, or with the failure of any part.
func (r *runner) start(ctx, stageCtx context.Context, s stage) error {
	ready := make(chan string, len(s))
	for _, p := range s {
		r.alive[p.name]++
		go func() {
			err := p.run(stageCtx, func() { ready <- p.name })
			r.ended <- ended{p.name, err}
		}()
	}
	for range s {
		select {
		case name := <-ready:
			r.log.Debug("part is ready", "part", name)
		case e := <-r.ended:
			return r.failed(e)
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

func (r *runner) watch(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case e := <-r.ended:
		return r.failed(e)
	}
}

// failed is for a part that ended before it was asked to.
func (r *runner) failed(e ended) error {
	r.gone(e.name)
	if e.err == nil {
		return fmt.Errorf("%s stopped by itself", e.name)
	}
	return fmt.Errorf("%s: %w", e.name, e.err)
}

func (r *runner) gone(name string) {
	if r.alive[name]--; r.alive[name] == 0 {
		delete(r.alive, name)
	}
}

// stop ends the started stages, last first, and returns what went wrong.
func (r *runner) stop(stages []stage, stops []context.CancelFunc) error {
	limit := time.NewTimer(r.limit)
	defer limit.Stop()
	var errs []error
	for i := len(stops) - 1; i >= 0; i-- {
		stops[i]()
		for r.anyAlive(stages[i]) {
			select {
			case e := <-r.ended:
				r.gone(e.name)
				if e.err != nil && !errors.Is(e.err, context.Canceled) {
					errs = append(errs, fmt.Errorf("stop %s: %w", e.name, e.err))
				}
			case <-limit.C:
				return errors.Join(append(errs, r.giveUp(stages[i], stops[:i]))...)
			}
		}
	}
	return errors.Join(errs...)
}

func (r *runner) anyAlive(s stage) bool {
	for _, p := range s {
		if r.alive[p.name] > 0 {
			return true
		}
	}
	return false
}

// giveUp cancels what is left, takes in what ends later, and names what was waited for.
func (r *runner) giveUp(slow stage, stops []context.CancelFunc) error {
	for _, stop := range stops {
		stop()
	}
	var names []string
	for _, p := range slow {
		if r.alive[p.name] > 0 {
			names = append(names, p.name)
		}
	}
	left := 0
	for _, n := range r.alive {
		left += n
	}
	go func() {
		for range left {
			<-r.ended
		}
	}()
	rest := ""
	if len(stops) > 0 {
		rest = "; what stops after that was not waited for"
	}
	slices.Sort(names)
	return fmt.Errorf("not stopped within %s: %s%s", r.limit, strings.Join(slices.Compact(names), ", "), rest)
}
