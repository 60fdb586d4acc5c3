package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hansom-platform/hansom/bus"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

const (
	changeServices = 20 // with as many instances each as make up those asked for
	changeGap      = 500 * time.Millisecond

	// perConnection is how many instances share a connection to the bus. The embedded server lets
	// no more than some hundred connections watch the bindings.
	perConnection = 10
)

// watch notes when each instance has applied a change.
type watch struct {
	mu      sync.Mutex
	began   time.Time
	took    []time.Duration
	pending int
	all     chan struct{} // closed when none is pending
}

// begin says that so many instances have a change to apply from now on.
func (w *watch) begin(instances int) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.began, w.pending, w.all = time.Now(), instances, make(chan struct{})
	return w.all
}

// applied is the callback of one instance.
func (w *watch) applied() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pending == 0 {
		return // what instances are configured with when they start
	}
	w.took = append(w.took, time.Since(w.began))
	if w.pending--; w.pending == 0 {
		close(w.all)
	}
}

// measureChange writes changes of base, which all services get, and takes the time from the
// call of the writer until each instance's callback runs: the write on the disk, the
// event, the instance's question to kernel.config and its answer are in that.
func measureChange(ctx context.Context, o options) (any, error) {
	h, err := openHouse(ctx)
	if err != nil {
		return nil, err
	}
	defer h.close()
	operator, err := h.operator(ctx)
	if err != nil {
		return nil, err
	}
	config := configpb.NewConfigClient(operator)
	write := func(n int) error {
		edit := &configpb.Edit{Id: "base", Kind: configpb.Edit_KIND_MERGE, Json: fmt.Appendf(nil, `{"bench":{"n":%d}}`, n)}
		_, err := config.Update(ctx, &configpb.UpdateRequest{Message: "bench", Edits: []*configpb.Edit{edit}})
		return err
	}
	if err := write(0); err != nil {
		return nil, err
	}
	var w watch
	if err := h.watchers(o.instances, &w); err != nil {
		return nil, err
	}
	for n := range o.changes {
		progress("change %d of %d", n+1, o.changes)
		if err := await(ctx, time.After(changeGap)); err != nil {
			return nil, err
		}
		applied := w.begin(o.instances)
		if err := write(n + 1); err != nil {
			return nil, err
		}
		if err := await(ctx, applied); err != nil {
			return nil, err
		}
	}
	l := latencyOf(w.took)
	last := w.took[len(w.took)-1]
	fmt.Printf("  %d changes applied by %d instances of %d services: %v (goal ≤ 200ms), the last %v\n",
		o.changes, o.instances, min(changeServices, o.instances), l, short(last))
	return map[string]any{"instances": o.instances, "changes": o.changes, "p50_ns": l.P50, "p99_ns": l.P99, "last_ns": last}, nil
}

// await waits for c, which a change of a healthy platform brings in far less than its limit.
func await[T any](ctx context.Context, c <-chan T) error {
	const limit = 30 * time.Second
	select {
	case <-c:
		return nil
	case <-time.After(limit):
		return fmt.Errorf("not all instances applied a change within %v", limit)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// watchers starts so many instances, a few at once.
func (h *house) watchers(instances int, w *watch) error {
	const atOnce = 20
	var started []func() error
	var connection *bus.Bus
	for i := range instances {
		progress("instance %d of %d", i+1, instances)
		s, err := h.service(fmt.Sprintf("core.watcher%d", i%changeServices))
		if err != nil {
			return err
		}
		s.Config().OnChange("bench.n", w.applied)
		if i%perConnection == 0 {
			if connection, err = h.dial("watchers")(h.ctx); err != nil {
				return err
			}
		}
		shared := connection
		started = append(started, h.startOver(s, func(context.Context) (*bus.Bus, error) { return shared, nil }))
		if len(started) < atOnce && i < instances-1 {
			continue
		}
		for _, ready := range started {
			if err := ready(); err != nil {
				return err
			}
		}
		started = nil
	}
	return nil
}
