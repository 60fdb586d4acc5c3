package kernel_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/platform"
)

func TestFromRegistrationToCall(t *testing.T) {
	e := newEnvironment(t)
	e.discovery()
	e.binding()
	const starts = 20
	var took []time.Duration
	for range starts {
		began := time.Now()
		svc := e.eta("1")
		e.await(5*time.Second, "it to be called", func() bool {
			by, err := e.call(t.Context())
			return err == nil && by.Instance == svc.ID()
		})
		took = append(took, time.Since(began))
		e.parts[svc].stop()
		e.await(5*time.Second, "it to be unbound", func() bool { return len(e.bindings()) == 0 })
	}
	slices.Sort(took)
	t.Logf("from start to first call served, of %d: median %v, longest %v", starts, took[starts/2], took[starts-1])
}

// watcher calls core.eta and lists its instances all the time, and keeps the
// first thing that went wrong.
type watcher struct {
	stop  context.CancelFunc
	group sync.WaitGroup
	once  sync.Once
	err   error
	calls int
}

func (e *environment) watch(witness *platform.Service, live []string) *watcher {
	ctx, stop := context.WithCancel(e.t.Context())
	w := &watcher{stop: stop}
	fail := func(err error) { w.once.Do(func() { w.err = err }) }
	w.group.Go(func() {
		for ctx.Err() == nil {
			if _, err := e.call(ctx); err != nil && ctx.Err() == nil {
				fail(fmt.Errorf("call core.eta: %w", err))
			}
			w.calls++
		}
	})
	w.group.Go(func() {
		for ctx.Err() == nil {
			owners, err := e.instances(ctx, witness)
			if err != nil && ctx.Err() == nil {
				fail(fmt.Errorf("list the instances: %w", err))
			}
			for _, id := range live {
				if _, ok := owners[id]; !ok && err == nil {
					fail(fmt.Errorf("%s is alive and not listed by %s, which lists %v", id, witness.ID(), owners))
				}
			}
		}
	})
	return w
}

func (w *watcher) end(t *testing.T) {
	t.Helper()
	w.stop()
	w.group.Wait()
	t.Logf("%d calls", w.calls)
	if w.err != nil {
		t.Errorf("want every call answered and every live instance listed: %v", w.err)
	}
}

func TestDiscoveryIsKilled(t *testing.T) {
	e := newEnvironment(t)
	one, two := e.discovery(), e.discovery()
	e.binding()
	var live []string
	for range 6 {
		live = append(live, e.eta("1").ID())
	}
	e.await(5*time.Second, "all to be listed by both and bound", func() bool {
		first, _ := e.instances(t.Context(), one)
		second, _ := e.instances(t.Context(), two)
		return len(first) == 6 && len(second) == 6 && len(e.bindings()) == 6
	})
	w := e.watch(two, live)
	e.kill(one)
	took := e.await(10*time.Second, "the other one to look after all", func() bool {
		owners, err := e.instances(t.Context(), two)
		for _, owner := range owners {
			if owner != two.ID() {
				return false
			}
		}
		return err == nil && len(owners) == 6
	})
	t.Logf("adopted after %v", took)
	e.await(5*time.Second, "time to pass until the adopted ones have had heartbeats", func() bool {
		return e.beaten(two, live, time.Now().Add(-time.Second))
	})
	w.end(t)
}

// beaten reports whether all of them answered heartbeats of one discovery instance after the given time.
func (e *environment) beaten(of *platform.Service, all []string, after time.Time) bool {
	registrations, err := e.registrations(e.t.Context(), of)
	if err != nil {
		return false
	}
	beaten := 0
	for _, r := range registrations {
		if slices.Contains(all, r.GetInstance().GetId()) && r.GetLastHeartbeat().AsTime().After(after) {
			beaten++
		}
	}
	return beaten == len(all)
}

func TestInstanceIsKilled(t *testing.T) {
	e := newEnvironment(t)
	d := e.discovery()
	e.binding()
	dead, alive := e.eta("1"), e.eta("1")
	e.await(5*time.Second, "both to be bound", func() bool { return len(e.bindings()) == 2 })
	w := e.watch(d, []string{alive.ID()})
	e.kill(dead)
	took := e.await(3*time.Second, "the killed instance to be unlisted and unbound", func() bool {
		owners, err := e.instances(t.Context(), d)
		return err == nil && len(owners) == 1 && len(e.bindings()) == 1
	})
	t.Logf("unlisted and unbound %v after the kill", took)
	w.end(t)
}

func TestLeadingBindingIsKilled(t *testing.T) {
	e := newEnvironment(t)
	d := e.discovery()
	leader := e.binding()
	e.binding()
	first := e.eta("1")
	e.await(5*time.Second, "the first instance to be bound", func() bool { return len(e.bindings()) == 1 })
	w := e.watch(d, []string{first.ID()})
	e.kill(leader)
	second := e.eta("1")
	took := e.await(10*time.Second, "the next leader to bind what came", func() bool { return e.bindings()[second.ID()] > 0 })
	t.Logf("bound %v after it was registered", took)
	w.end(t)
}

func TestEverythingComesBackAfterTheBrokerRestarts(t *testing.T) {
	e := newEnvironment(t)
	d := e.discovery()
	e.binding()
	var live []string
	for range 4 {
		live = append(live, e.eta("1").ID())
	}
	e.await(5*time.Second, "all to be bound", func() bool { return len(e.bindings()) == 4 })
	address := e.broker.Addr()
	if err := e.broker.Close(t.Context()); err != nil {
		t.Fatalf("stop the broker: %v", err)
	}
	restarted := time.Now()
	e.startBroker(address)
	took := e.await(20*time.Second, "all to be listed, alive and bound", func() bool {
		return e.beaten(d, live, restarted) && len(e.bindings()) == 4 && e.settled(live)
	})
	t.Logf("all well %v after the restart", took)
}

// settled reports whether each of them answers a direct call and routed calls succeed.
func (e *environment) settled(live []string) bool {
	ctx, cancel := context.WithTimeout(e.t.Context(), time.Second)
	defer cancel()
	for _, id := range live {
		if _, err := e.call(platform.To(ctx, id)); err != nil {
			return false
		}
	}
	_, err := e.call(ctx)
	return err == nil
}

func TestSplitOnTheRealBus(t *testing.T) {
	e := newEnvironment(t)
	e.discovery()
	e.binding()
	for _, version := range []string{"1", "1", "1", "2"} {
		e.eta(version)
	}
	e.await(5*time.Second, "all to be bound", func() bool { return len(e.bindings()) == 4 })
	if err := e.split("2", 1000); err != nil {
		t.Fatalf("give version 2 10 %%: %v", err)
	}
	took := e.await(5*time.Second, "the split to be applied", func() bool {
		for _, weight := range e.bindings() {
			if weight == 100 {
				return false
			}
		}
		return true
	})
	t.Logf("applied %v after it was set", took)
	const calls = 5000
	got := map[string]int{}
	for range calls {
		by, err := e.call(t.Context())
		if err != nil {
			t.Fatalf("call core.eta: %v", err)
		}
		got[by.Version]++
	}
	if got["2"] < 500-106 || got["2"] > 500+106 { // 5 standard deviations
		t.Errorf("version 2 with 10 %%: want 500 ± 106 of %d calls, got %v", calls, got)
	}
}
