package discovery_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/platformtest"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
)

func TestInstancesAreListedOldestFirst(t *testing.T) {
	inRegion(t, func(t *testing.T, r *region) {
		d := r.discovery()
		for _, n := range []int{3, 1, 2} {
			r.register(d, instance(n))
		}
		elsewhere := instance(4)
		elsewhere.Zone = "b"
		r.register(d, elsewhere)
		for _, c := range []struct {
			request *discoverypb.InstancesRequest
			want    []string
		}{
			{&discoverypb.InstancesRequest{}, []string{"core.eta-1", "core.eta-2", "core.eta-3", "core.eta-4", d.ID()}},
			{&discoverypb.InstancesRequest{Service: "core.eta", Zone: "b"}, []string{"core.eta-4"}},
			{&discoverypb.InstancesRequest{Service: "core.nosuch"}, nil},
		} {
			response, err := r.client.Instances(t.Context(), c.request)
			if err != nil {
				t.Fatalf("Instances(%v): %v", c.request, err)
			}
			var got []string
			for _, listed := range response.GetRegistrations() {
				got = append(got, listed.GetInstance().GetId())
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("Instances(%v): want %v, got %v", c.request, c.want, got)
			}
		}
	})
}

func TestBadRegistrationsAreRefused(t *testing.T) {
	inRegion(t, func(t *testing.T, r *region) {
		r.discovery()
		for name, spoil := range map[string]func(i *discoverypb.Instance){
			"foreign id":  func(i *discoverypb.Instance) { i.Id = "core.state-1" },
			"bad id":      func(i *discoverypb.Instance) { i.Id = "core.eta-1/2" },
			"no service":  func(i *discoverypb.Instance) { i.Service = "" },
			"no version":  func(i *discoverypb.Instance) { i.Version = "" },
			"other place": func(i *discoverypb.Instance) { i.Region = "mars" },
		} {
			i := instance(1)
			spoil(i)
			if _, err := r.client.Register(t.Context(), &discoverypb.RegisterRequest{Instance: i}); !fault.Is(err, fault.BadRequest) {
				t.Errorf("register with %s: want BAD_REQUEST, got %v", name, err)
			}
		}
	})
}

func TestDiscoveryInstancesAgree(t *testing.T) {
	inRegion(t, func(t *testing.T, r *region) {
		one, two := r.discovery(), r.discovery()
		want := ids(r.start(10))
		r.await(time.Second, "both discovery instances to list all instances", func() bool {
			return slices.Equal(sortedKeys(r.owners(one)), want) && slices.Equal(sortedKeys(r.owners(two)), want)
		})
		for id, owner := range r.owners(one) {
			if other := r.owners(two)[id]; other != owner {
				t.Errorf("who looks after %s: %s says %s, %s says %s", id, one.ID(), owner, two.ID(), other)
			}
		}
	})
}

func TestChangesAreToldOnce(t *testing.T) {
	inRegion(t, func(t *testing.T, r *region) {
		r.discovery()
		two := r.discovery()
		svc := r.start(1)[0]
		r.register(two, svc.Instance()) // again, and by way of another one
		r.await(time.Second, "discovery.up", func() bool { return len(r.told(svc.ID())) > 0 })
		r.env.Stop(svc)
		r.await(time.Second, "discovery.down", func() bool { return len(r.told(svc.ID())) > 1 })
		r.always(time.Minute, "nothing more to be told", func() bool { return len(r.told(svc.ID())) == 2 })
		want := []string{"up " + svc.ID(), "down " + svc.ID() + ": deregistered"}
		if got := r.told(svc.ID()); !slices.Equal(got, want) {
			t.Errorf("events of an instance that came, registered twice and went: want %q, got %q", want, got)
		}
	})
}

func TestKilledInstanceIsRemoved(t *testing.T) {
	inRegion(t, func(t *testing.T, r *region) {
		d := r.discovery()
		svc := r.start(1)[0]
		r.always(5*time.Second, "it to be listed", func() bool { return r.listed(d, svc.ID()) })
		r.env.Kill(svc)
		took := r.await(2500*time.Millisecond, "the killed instance to go", func() bool { return !r.listed(d, svc.ID()) })
		t.Logf("removed after %v", took)
		if got := r.told(svc.ID()); len(got) != 2 || !strings.HasSuffix(got[1], "not connected to the bus") {
			t.Errorf("events of a killed instance: want up, then down because it is not connected, got %q", got)
		}
	})
}

// serve opens a queue that answers heartbeats, or with answer false takes them and says nothing.
func (r *region) serve(id string, answer bool) *bus.Server {
	r.t.Helper()
	s, err := r.bus.Serve(r.t.Context(), id, func(context.Context, *bus.Message) *bus.Message {
		if !answer {
			return nil
		}
		return &bus.Message{Header: bus.Header{{Key: bus.HeaderType, Value: bus.TypeReply}}}
	})
	if err != nil {
		r.t.Fatalf("open the queue %s: %v", id, err)
	}
	return s
}

func TestHungInstanceIsRemovedAfterThreeMissedHeartbeats(t *testing.T) {
	inRegion(t, func(t *testing.T, r *region) {
		d := r.discovery()
		i := instance(1)
		queue := r.serve(i.GetId(), false)
		defer queue.Close()
		r.register(d, i)
		r.always(20*time.Second, "a hung instance to be listed before 3 heartbeats were missed", func() bool { return r.listed(d, i.GetId()) })
		r.await(20*time.Second, "it to go", func() bool { return !r.listed(d, i.GetId()) })
		if got := r.told(i.GetId()); len(got) != 2 || !strings.HasSuffix(got[1], "missed 3 heartbeats") {
			t.Errorf("events of a hung instance: want up, then down for 3 missed heartbeats, got %q", got)
		}
	})
}

func TestReconnectingInstanceStaysListed(t *testing.T) {
	inRegion(t, func(t *testing.T, r *region) {
		d := r.discovery()
		i := instance(1)
		queue := r.serve(i.GetId(), true)
		r.register(d, i)
		for range 50 { // at whatever point of the interval
			_ = queue.Close()
			r.always(500*time.Millisecond, "an instance that reconnects to be listed", func() bool { return r.listed(d, i.GetId()) })
			queue = r.serve(i.GetId(), true)
			r.always(730*time.Millisecond, "an instance that reconnected to be listed", func() bool { return r.listed(d, i.GetId()) })
		}
		_ = queue.Close()
	})
}

func TestInstancesThatAllReconnectStayListed(t *testing.T) {
	inRegion(t, func(t *testing.T, r *region) {
		d := r.discovery()
		var queues []*bus.Server
		for n := range 5 {
			queues = append(queues, r.serve(instance(n).GetId(), true))
			r.register(d, instance(n))
		}
		r.always(3*time.Second, "all to be listed", func() bool { return len(r.owners(d)) == 5 })
		for _, queue := range queues {
			_ = queue.Close()
		}
		r.always(4*time.Second, "all to be listed while they reconnect", func() bool { return len(r.owners(d)) == 5 })
		for n := range queues {
			queues[n] = r.serve(instance(n).GetId(), true)
		}
		r.always(10*time.Second, "all to be listed after they reconnected", func() bool { return len(r.owners(d)) == 5 })
		for _, queue := range queues {
			_ = queue.Close()
		}
		r.await(8*time.Second, "all to be removed when they do not come back", func() bool { return len(r.owners(d)) == 0 })
	})
}

func TestRemovedInstanceThatComesBackIsListedAgain(t *testing.T) {
	inRegion(t, func(t *testing.T, r *region) {
		d := r.discovery()
		i := instance(1)
		r.register(d, i)
		r.await(12*time.Second, "an instance without a queue to go", func() bool { return !r.listed(d, i.GetId()) })
		queue := r.serve(i.GetId(), true)
		defer queue.Close()
		took := r.await(time.Second, "it to be listed again when its queue is back", func() bool { return r.listed(d, i.GetId()) })
		t.Logf("listed again after %v", took)
	})
}

func TestNoLiveInstanceIsUnlistedWhenDiscoveryDies(t *testing.T) {
	inRegion(t, func(t *testing.T, r *region) {
		all := []*platform.Service{r.discovery(), r.discovery(), r.discovery()}
		want := ids(r.start(20))
		r.await(time.Second, "all to be known to all", func() bool { return len(r.owners(all[0])) == 20 && len(r.owners(all[2])) == 20 })
		r.await(time.Second, "all to be told", func() bool {
			return !slices.ContainsFunc(want, func(id string) bool { return len(r.told(id)) == 0 })
		})
		r.kill(all[1])
		left := []*platform.Service{all[0], all[2]}
		r.always(40*time.Second, "all instances to be listed by those left", func() bool {
			return slices.Equal(sortedKeys(r.owners(left[0])), want) && slices.Equal(sortedKeys(r.owners(left[1])), want)
		})
		count := map[string]int{}
		for _, owner := range r.owners(left[0]) {
			count[owner]++
		}
		if count[left[0].ID()]+count[left[1].ID()] != 20 || count[left[0].ID()] == 0 || count[left[1].ID()] == 0 {
			t.Errorf("want all 20 instances looked after by the two discovery instances left, each of them some, got %v", count)
		}
		for _, id := range want {
			if got := r.told(id); len(got) != 1 {
				t.Errorf("events of %s, which lived all the time: want only the first up, got %q", id, got)
			}
		}
	})
}

func TestInstanceThatDiesWithItsDiscoveryIsRemoved(t *testing.T) {
	inRegion(t, func(t *testing.T, r *region) {
		one := r.discovery()
		svc := r.start(1)[0] // through the only one
		two := r.discovery()
		r.env.Kill(svc)
		r.kill(one)
		r.await(20*time.Second, "the other one to adopt and remove it", func() bool { return !r.listed(two, svc.ID()) })
		r.await(20*time.Second, "the dead discovery instance to be removed too", func() bool {
			told := r.told(one.ID())
			return len(told) > 0 && strings.HasSuffix(told[len(told)-1], "not connected to the bus")
		})
	})
}

func TestDiscoveryThatStopsHandsOver(t *testing.T) {
	inRegion(t, func(t *testing.T, r *region) {
		one := r.discovery()
		want := ids(r.start(5))
		two := r.discovery()
		r.env.Stop(one)
		r.always(30*time.Second, "all instances to be listed", func() bool { return slices.Equal(sortedKeys(r.owners(two)), want) })
		for id, owner := range r.owners(two) {
			if owner != two.ID() {
				t.Errorf("who looks after %s: want %s, got %s", id, two.ID(), owner)
			}
		}
	})
}

func TestPictureSurvivesAnOutageOfCoord(t *testing.T) {
	inRegion(t, func(t *testing.T, r *region) {
		one, two := r.discovery(), r.discovery()
		want := ids(r.start(10))
		r.await(time.Second, "both to know all", func() bool { return len(r.owners(one)) == 10 && len(r.owners(two)) == 10 })
		all := func() bool {
			return slices.Equal(sortedKeys(r.owners(one)), want) && slices.Equal(sortedKeys(r.owners(two)), want)
		}
		r.engine.Stop()
		r.always(30*time.Second, "all instances to be listed while coord is away", all)
		r.engine.Start()
		r.always(30*time.Second, "all instances to be listed after coord is back", all)
		three := r.discovery()
		if got := sortedKeys(r.owners(three)); !slices.Equal(got, want) {
			t.Errorf("what a discovery instance finds in coord after the outage: want %v, got %v", want, got)
		}
	})
}

func TestNewLoneDiscoveryLearnsAtOnceWhoIsRunning(t *testing.T) {
	inRegion(t, func(t *testing.T, r *region) {
		one := r.discovery()
		want := ids(r.start(10))
		r.kill(one)
		r.always(20*time.Second, "time to pass until the nodes are gone", func() bool { return true })
		two := r.discovery()
		r.await(500*time.Millisecond, "a new discovery instance to know all", func() bool { return slices.Equal(sortedKeys(r.owners(two)), want) })
	})
}

func TestLoneDiscoveryAsksAgainForThoseWhoReconnect(t *testing.T) {
	inRegion(t, func(t *testing.T, r *region) {
		var asked atomic.Int64
		sub, err := r.bus.Subscribe(t.Context(), bus.Subscription{Topic: "discovery.reregister"}, func(context.Context, *bus.Event) error {
			asked.Add(1)
			return nil
		})
		if err != nil {
			t.Fatalf("subscribe: %v", err)
		}
		defer sub.Close()
		r.discovery()
		r.discovery() // is not alone, and asks nobody
		r.await(4*time.Second, "four calls to register within four seconds", func() bool { return asked.Load() == 4 })
		r.always(10*time.Minute, "the calls to end", func() bool { return asked.Load() <= 7 })
	})
}

func TestDiscoveryRestartedAtOnceAdoptsWhatIsInCoord(t *testing.T) {
	inRegion(t, func(t *testing.T, r *region) {
		one := r.discovery()
		i := instance(1) // does not hear that it is to register again
		queue := r.serve(i.GetId(), true)
		defer queue.Close()
		r.register(one, i)
		r.kill(one)
		r.always(100*time.Millisecond, "time to pass", func() bool { return true })
		two := r.discovery()
		if got := r.owners(two)[i.GetId()]; got != two.ID() {
			t.Errorf("who looks after %s at once: want %s, got %s", i.GetId(), two.ID(), got)
		}
		r.await(3*time.Second, "the dead discovery instance to go", func() bool {
			told := r.told(one.ID())
			return len(told) > 0 && strings.HasSuffix(told[len(told)-1], "not connected to the bus")
		})
		r.always(30*time.Second, "the instance to be listed", func() bool { return r.listed(two, i.GetId()) })
		if got := r.owners(two)[i.GetId()]; got != two.ID() {
			t.Errorf("who looks after %s: want %s, got %s", i.GetId(), two.ID(), got)
		}
	})
}

func TestInstanceThatHearsNoHeartbeatRegistersAgain(t *testing.T) {
	inRegion(t, func(t *testing.T, r *region) {
		d := r.discovery()
		svc := platform.New("core.eta", platform.Logger(r.env.Logger()), platform.Place(platformtest.Local),
			platform.Timing(platform.Timings{Lost: 25 * time.Second}))
		r.env.Start(svc)
		r.always(time.Second, "the discovery instance to have asked all to register", func() bool { return true })
		if _, err := r.client.Deregister(t.Context(), &discoverypb.DeregisterRequest{Instance: svc.ID()}); err != nil {
			t.Fatalf("deregister %s: %v", svc.ID(), err)
		}
		if r.listed(d, svc.ID()) {
			t.Fatalf("want %s unlisted by hand, it is listed", svc.ID())
		}
		r.await(26*time.Second, "it to register again", func() bool { return r.listed(d, svc.ID()) })
	})
}

func TestMarksOfRemovalAreSwept(t *testing.T) {
	inRegion(t, func(t *testing.T, r *region) {
		r.discovery()
		svc := r.start(1)[0]
		r.env.Stop(svc)
		c := r.engine.Open()
		defer c.Close(t.Context())
		r.await(time.Minute, "the node of an instance that left to be deleted", func() bool {
			nodes, err := c.List(t.Context(), "/instances")
			return err == nil && len(nodes) == 1
		})
	})
}

func TestDiscoverySaysWhereItIs(t *testing.T) {
	inRegion(t, func(t *testing.T, r *region) {
		d := r.discovery()
		heard := make(chan struct{}, 16)
		sub, err := r.bus.Subscribe(t.Context(), bus.Subscription{Topic: "discovery.alive"}, func(context.Context, *bus.Event) error {
			heard <- struct{}{}
			return nil
		})
		if err != nil {
			t.Fatalf("subscribe: %v", err)
		}
		defer sub.Close()
		if err := r.env.Client().PublishEvent(t.Context(), "discovery.who", &discoverypb.Who{From: "test"}); err != nil {
			t.Fatalf("ask who is discovery: %v", err)
		}
		select {
		case <-heard:
		case <-time.After(time.Second):
			t.Errorf("want discovery.alive of %s in answer to discovery.who within 1 s, got none", d.ID())
		}
	})
}
