package binding

import (
	"context"
	"sync"
	"time"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
)

// readingLimit bounds one reading of the bus.
const readingLimit = 2 * time.Second

// reading shares what reading the bus costs among those who ask at the same time: when a
// platform starts, every instance does. It is for askers who ask again where the answer is
// no, for a reading that is under way may have begun before they asked.
type reading struct {
	read func(context.Context) ([]bus.Binding, error)

	mu  sync.Mutex
	now *snapshot // nil while nothing is read
}

type snapshot struct {
	done  chan struct{} // closed when the rest is set
	bound map[string]bool
	err   error
}

// instances returns the ids of those that are bound.
func (r *reading) instances(ctx context.Context) (map[string]bool, error) {
	r.mu.Lock()
	s := r.now
	if s == nil {
		s = &snapshot{done: make(chan struct{})}
		r.now = s
		go r.take(context.WithoutCancel(ctx), s)
	}
	r.mu.Unlock()
	select {
	case <-s.done:
		return s.bound, s.err
	case <-ctx.Done():
		return nil, fault.Wrap(ctx.Err(), fault.Timeout, "kernel.binding.reading", "the bus did not say in time what is bound")
	}
}

func (r *reading) take(ctx context.Context, s *snapshot) {
	ctx, cancel := context.WithTimeout(ctx, readingLimit)
	defer cancel()
	all, err := r.read(ctx)
	s.bound, s.err = map[string]bool{}, err
	for _, b := range all {
		s.bound[b.Instance] = true
	}
	r.mu.Lock()
	r.now = nil
	r.mu.Unlock()
	close(s.done)
}
