package binding_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/platformtest"
	bindingpb "github.com/hansom-platform/hansom/proto/kernel/binding"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
)

func TestWhatRegistersIsBoundAndWhatLeavesIsNot(t *testing.T) {
	inZone(t, func(t *testing.T, z *zone) {
		z.binding()
		svc := z.eta("1", 1)[0]
		z.env.Start(svc)
		took := z.awaitBound(50*time.Millisecond, "1=100")
		t.Logf("bound %v after it registered", took)
		if version, err := z.call(t.Context()); err != nil || version != "1" {
			t.Errorf("call core.eta: want an answer of version 1, got %q, %v", version, err)
		}
		z.env.Stop(svc)
		z.awaitBound(50 * time.Millisecond)
	})
}

func TestEverythingIsBoundWhenBindingStartsLast(t *testing.T) {
	inZone(t, func(t *testing.T, z *zone) {
		for n := range 3 {
			z.register(fmt.Sprintf("core.eta-%d", n))
		}
		b := z.binding()
		z.awaitBound(time.Second, "1=100", "1=100", "1=100")
		response, err := z.client.Bindings(t.Context(), &bindingpb.BindingsRequest{})
		if err != nil {
			t.Fatalf("Bindings: %v", err)
		}
		services := map[string]int{}
		for _, bound := range response.GetBindings() {
			services[bound.GetService()+" "+bound.GetState()]++
		}
		if len(services) != 3 || services["core.eta ok"] != 3 || services["kernel.discovery ok"] != 1 || services["kernel.binding ok"] != 1 {
			t.Errorf("want 3 bindings of core.eta and 1 each of the kernel, all ok, got %v", services)
		}
		if response.GetLeader() != b.ID() {
			t.Errorf("leader: want %s, got %s", b.ID(), response.GetLeader())
		}
	})
}

// register lists an instance that does not run.
func (z *zone) register(id string) {
	z.t.Helper()
	client := discoverypb.NewDiscoveryClient(z.env.Client())
	i := &discoverypb.Instance{
		Id: id, Service: "core.eta", Version: "1", Region: platformtest.Local.Region, Zone: platformtest.Local.Zone,
	}
	_, err := client.Register(platform.To(z.t.Context(), z.discovery.svc.ID()), &discoverypb.RegisterRequest{Instance: i})
	if err != nil {
		z.t.Fatalf("register %s: %v", id, err)
	}
}

func TestSplitIsAppliedAtOnceAndExactly(t *testing.T) {
	inZone(t, func(t *testing.T, z *zone) {
		z.binding()
		z.env.Start(slices.Concat(z.eta("1", 3), z.eta("2", 1))...)
		z.awaitBound(time.Second, "1=100", "1=100", "1=100", "2=100")
		z.split("2=10")
		z.awaitBound(50*time.Millisecond, "1=9000", "1=9000", "1=9000", "2=3000")
		const calls = 2000
		got := map[string]int{}
		for range calls {
			version, err := z.call(t.Context())
			if err != nil {
				t.Fatalf("call core.eta: %v", err)
			}
			got[version]++
		}
		if got["2"] < 200-67 || got["2"] > 200+67 { // 5 standard deviations
			t.Errorf("version 2 with 10 %%: want 200 ± 67 of %d calls, got %d", calls, got["2"])
		}
		z.split()
		z.awaitBound(50*time.Millisecond, "1=100", "1=100", "1=100", "2=100")
	})
}

func TestOneUserMeetsOneVersion(t *testing.T) {
	inZone(t, func(t *testing.T, z *zone) {
		z.binding()
		old := z.eta("1", 3)
		z.env.Start(slices.Concat(old, z.eta("2", 2))...)
		z.split("2=50")
		z.await(time.Second, func() string { return z.lacksWeight("2=") })
		met := map[int]string{}
		check := func(when string) {
			for n := range 50 {
				version, err := z.call(platform.WithCohort(t.Context(), n*199))
				if err != nil {
					t.Fatalf("call as cohort %d: %v", n*199, err)
				}
				if before, ok := met[n]; ok && before != version {
					t.Fatalf("cohort %d %s: want version %s as before, got %s", n*199, when, before, version)
				}
				met[n] = version
			}
		}
		check("at first")
		check("again")
		z.env.Stop(old[0])
		check("after an instance of version 1 left")
		z.env.Start(z.eta("1", 5)...)
		check("after 5 instances of version 1 came")
	})
}

// lacksWeight waits for a split to show: version 2 has another weight than the usual.
func (z *zone) lacksWeight(version string) string {
	for _, word := range z.bound() {
		if strings.HasPrefix(word, version) && word != version+"100" {
			return ""
		}
	}
	return fmt.Sprintf("a split for %s in %v", version, z.bound())
}

func TestSaltIsKeptWhileASplitIsChanged(t *testing.T) {
	inZone(t, func(t *testing.T, z *zone) {
		z.binding()
		z.env.Start(z.eta("1", 1)...)
		first := z.split("2=10").GetSplit().GetSalt()
		if second := z.split("2=20").GetSplit().GetSalt(); first == "" || second != first {
			t.Errorf("salt of a split that grew: want %q as before, got %q", first, second)
		}
		z.split()
		if third := z.split("2=10").GetSplit().GetSalt(); third == first {
			t.Errorf("salt of a new split: want another than %q", first)
		}
	})
}

func TestSplitWarnsAndRefuses(t *testing.T) {
	inZone(t, func(t *testing.T, z *zone) {
		z.binding()
		z.env.Start(z.eta("1", 1)...)
		z.awaitBound(time.Second, "1=100")
		if got := z.split("2=10").GetWarnings(); len(got) != 1 || !strings.Contains(got[0], "no instance of version 2") {
			t.Errorf("split for a version that does not run: want a warning, got %q", got)
		}
		response, err := z.client.SetSplit(t.Context(), &bindingpb.SetSplitRequest{Service: "core.nosuch", Shares: sharesOf("2=10")})
		if err != nil || len(response.GetWarnings()) != 1 || !strings.Contains(response.GetWarnings()[0], "no instance of core.nosuch") {
			t.Errorf("split of a service that does not run: want a warning, got %v, %v", response, err)
		}
		_, err = z.client.SetSplit(t.Context(), &bindingpb.SetSplitRequest{Service: "core.eta", Shares: sharesOf("1=60", "2=60")})
		if !fault.Is(err, fault.BadRequest) {
			t.Errorf("split of 120 %%: want BAD_REQUEST, got %v", err)
		}
	})
}

func TestTrafficShowsTargetAndMeasured(t *testing.T) {
	inZone(t, func(t *testing.T, z *zone) {
		z.binding()
		dead := z.eta("2", 1)[0]
		z.env.Start(slices.Concat(z.eta("1", 3), z.eta("2", 1), z.eta("3", 1, platform.Overlay("alice")), []*platform.Service{dead})...)
		z.split("2=25", "4=10")
		z.await(time.Second, func() string { return z.lacksWeight("2=") })
		for range 1000 {
			if _, err := z.call(t.Context()); err != nil {
				t.Fatalf("call core.eta: %v", err)
			}
		}
		z.always(time.Second, func() string { return "" }) // the minute that counts ends with the last full second
		z.env.Kill(dead)
		response, err := z.client.Traffic(t.Context(), &bindingpb.TrafficRequest{Service: "core.eta"})
		if err != nil || len(response.GetServices()) != 1 {
			t.Fatalf("Traffic of core.eta: want one service, got %v, %v", response, err)
		}
		s := response.GetServices()[0]
		if len(s.GetVersions()) != 2 {
			t.Fatalf("versions: want 1 and 2, without that of the overlay, got %v", s.GetVersions())
		}
		one, two := s.GetVersions()[0], s.GetVersions()[1]
		if one.GetInstances() != 3 || two.GetInstances() != 2 {
			t.Errorf("instances of 1 and 2: want 3 and 2, got %d and %d", one.GetInstances(), two.GetInstances())
		}
		// 25 and 65 of 100; the 10 of version 4 go to both.
		if one.GetTargetBasisPoints() != 7222 || two.GetTargetBasisPoints() != 2778 {
			t.Errorf("targets: want 7222 and 2778, got %d and %d", one.GetTargetBasisPoints(), two.GetTargetBasisPoints())
		}
		total := one.GetRequestsLastMinute() + two.GetRequestsLastMinute()
		if total < 700 || total > 1000 || one.GetMeasuredBasisPoints()+two.GetMeasuredBasisPoints() != 10_000 {
			t.Errorf("measured of 1000 requests, without those of the dead instance: got %v", s.GetVersions())
		}
		all := strings.Join(s.GetWarnings(), "\n")
		if !strings.Contains(all, dead.ID()) || !strings.Contains(all, "no instance of version 4") {
			t.Errorf("warnings: want one of the dead instance %s and one of version 4, got %q", dead.ID(), s.GetWarnings())
		}
	})
}

func TestAuditRepairs(t *testing.T) {
	inZone(t, func(t *testing.T, z *zone) {
		z.binding()
		z.env.Start(z.eta("1", 2)...)
		z.awaitBound(time.Second, "1=100", "1=100")
		z.always(time.Second, func() string { return "" }) // nothing else is to have the leader look
		all, err := z.bus.Bindings(t.Context(), platformtest.Local)
		if err != nil {
			t.Fatalf("list the bindings: %v", err)
		}
		at := slices.IndexFunc(all, func(b bus.Binding) bool { return b.Service == "core.eta" })
		stray := all[at]
		stray.Instance, stray.Version = "core.eta-stray", "9"
		all[at].Weight = 7
		if err := z.bus.Apply(t.Context(), platformtest.Local, append(all, stray)); err != nil {
			t.Fatalf("spoil the bindings: %v", err)
		}
		response, err := z.client.Bindings(t.Context(), &bindingpb.BindingsRequest{Service: "core.eta"})
		if err != nil {
			t.Fatalf("Bindings: %v", err)
		}
		states := map[string]int{}
		for _, b := range response.GetBindings() {
			states[b.GetState()]++
		}
		if states["ok"] != 1 || states["missing"] != 1 || states["stray"] != 2 {
			t.Errorf("states with one wrong weight and one stray: want 1 ok, 1 missing, 2 stray, got %v", states)
		}
		z.awaitBound(31*time.Second, "1=100", "1=100")
		z.await(time.Second, func() string {
			response, err := z.client.Bindings(t.Context(), &bindingpb.BindingsRequest{Service: "core.eta"})
			if err != nil || response.GetDrifted() == 0 {
				return fmt.Sprintf("the drift to be counted, got %v, %v", response, err)
			}
			return ""
		})
	})
}

func TestLiveInstanceThatDiscoveryForgotStaysBound(t *testing.T) {
	inZone(t, func(t *testing.T, z *zone) {
		z.binding()
		alive, dead := z.eta("1", 1)[0], z.eta("2", 1)[0]
		z.env.Start(alive, dead)
		z.awaitBound(time.Second, "1=100", "2=100")
		z.discovery.forget(alive.ID())
		z.discovery.forget(dead.ID())
		z.env.Kill(dead)
		z.awaitBound(31*time.Second, "1=100")
		z.always(90*time.Second, func() string {
			if got := z.bound(); !slices.Equal(got, []string{"1=100"}) {
				return fmt.Sprintf("the live instance bound, got %v", got)
			}
			return ""
		})
	})
}

func TestBindingRegistersWithTheDiscoveryThatAsks(t *testing.T) {
	inZone(t, func(t *testing.T, z *zone) {
		svc := z.binding()
		z.discovery.forget(svc.ID())
		from := z.discovery.svc
		if err := from.PublishEvent(t.Context(), "discovery.reregister", &discoverypb.Reregister{Discovery: from.ID()}); err != nil {
			t.Fatalf("publish: %v", err)
		}
		synctest.Wait()
		response, err := z.discovery.Instances(t.Context(), nil)
		if err != nil || !slices.ContainsFunc(response.GetRegistrations(), func(r *discoverypb.Registration) bool { return r.GetInstance().GetId() == svc.ID() }) {
			t.Errorf("%s is not listed again: %v, %v", svc.ID(), response, err)
		}
	})
}

func TestBindingThatStartsAnewUnbindsNobodyAlive(t *testing.T) {
	inZone(t, func(t *testing.T, z *zone) {
		first := z.binding()
		svc := z.eta("1", 1)[0]
		z.env.Start(svc)
		z.awaitBound(time.Second, "1=100")
		z.kill(first)
		z.discovery.forget(svc.ID()) // as a discovery that starts anew too
		z.binding()
		z.always(60*time.Second, func() string {
			if got := z.bound(); !slices.Equal(got, []string{"1=100"}) {
				return fmt.Sprintf("the live instance bound, got %v", got)
			}
			return ""
		})
	})
}

func TestBindingsStayWhileDiscoveryIsAway(t *testing.T) {
	inZone(t, func(t *testing.T, z *zone) {
		z.binding()
		z.env.Start(z.eta("1", 2)...)
		z.awaitBound(time.Second, "1=100", "1=100")
		z.env.Kill(z.discovery.svc)
		z.always(90*time.Second, func() string {
			if got := z.bound(); len(got) != 2 {
				return fmt.Sprintf("2 bindings of core.eta, got %v", got)
			}
			return ""
		})
		z.discovery = z.newRegistry()
		svc := z.eta("2", 1)[0]
		z.env.Start(svc)
		z.awaitBound(time.Second, "1=100", "1=100", "2=100")
	})
}

func TestLeadershipPassesOn(t *testing.T) {
	inZone(t, func(t *testing.T, z *zone) {
		first := z.binding()
		z.binding()
		z.env.Start(z.eta("1", 1)...)
		z.awaitBound(time.Second, "1=100")
		z.kill(first)
		z.env.Start(z.eta("2", 1)...)
		took := z.awaitBound(15*time.Second, "1=100", "2=100")
		t.Logf("the next leader bound what came %v after the first was killed", took)
	})
}

func TestEachZoneBindsItsOwn(t *testing.T) {
	inZone(t, func(t *testing.T, z *zone) {
		far := bus.Zone{Region: platformtest.Local.Region, Zone: "b"}
		z.binding()
		z.env.Start(z.eta("1", 1)...)
		z.bindingIn(far)
		z.env.Start(z.eta("2", 2, platform.Place(far))...)
		z.awaitBound(time.Second, "1=100")
		z.await(time.Second, func() string {
			all, err := z.bus.Bindings(t.Context(), far)
			if err != nil || len(all) != 3 {
				return fmt.Sprintf("3 bindings in zone b, got %v, %v", all, err)
			}
			return ""
		})
		if version, err := z.call(t.Context()); err != nil || version != "1" {
			t.Errorf("call from zone a: want version 1, the nearest, got %q, %v", version, err)
		}
	})
}

// boundThere returns what an instance of kernel.binding in zone a says of core.eta in
// zone b, as "version=weight state", and of which zones it knows nothing.
func (z *zone) boundThere(of *platform.Service) (words, silent []string) {
	z.t.Helper()
	response, err := z.client.Bindings(platform.To(z.t.Context(), of.ID()), &bindingpb.BindingsRequest{Service: "core.eta"})
	if err != nil {
		z.t.Fatalf("list the bindings: %v", err)
	}
	for _, b := range response.GetBindings() {
		if b.GetZone() == "b" {
			words = append(words, fmt.Sprintf("%s=%d %s", b.GetVersion(), b.GetWeight(), b.GetState()))
		}
	}
	for _, s := range response.GetSilent() {
		silent = append(silent, s.GetZone())
	}
	return words, silent
}

func TestAnotherZoneSaysWhatIsBoundThere(t *testing.T) {
	inZone(t, func(t *testing.T, z *zone) {
		far := bus.Zone{Region: platformtest.Local.Region, Zone: "b"}
		here := z.binding()
		there := z.bindingIn(far)
		z.env.Start(z.eta("2", 1, platform.Place(far))...)
		z.await(time.Second, func() string {
			words, silent := z.boundThere(here)
			if !slices.Equal(words, []string{"2=100 ok"}) || len(silent) > 0 {
				return fmt.Sprintf("2=100 ok bound in zone b, got %v, silent %v", words, silent)
			}
			return ""
		})
		traffic, err := z.client.Traffic(platform.To(t.Context(), here.ID()), &bindingpb.TrafficRequest{Service: "core.eta"})
		if err != nil || len(traffic.GetServices()) != 1 || traffic.GetServices()[0].GetVersions()[0].GetVersion() != "2" {
			t.Errorf("traffic from zone a: want version 2 of zone b, got %v, %v", traffic, err)
		}
		z.kill(there)
		if words, silent := z.boundThere(here); len(words) > 0 || !slices.Equal(silent, []string{far.String()}) {
			t.Errorf("after the only kernel.binding of zone b was killed: want the zone named as silent, got %v, silent %v", words, silent)
		}
		_, err = z.client.Traffic(platform.To(t.Context(), here.ID()), &bindingpb.TrafficRequest{Service: "core.eta"})
		if !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), far.String()) {
			t.Errorf("traffic of a service that only zone b has: want NotFound that names the silent zone, got %v", err)
		}
	})
}

func TestInstancesLearnThatTheyAreBound(t *testing.T) {
	inZone(t, func(t *testing.T, z *zone) {
		z.binding()
		eta := z.eta("1", 1)[0]
		z.env.Start(eta)
		client := bindingpb.NewBindingClient(eta)
		ask := func(id string, at bus.Zone) (bool, error) {
			answer, err := client.IsBound(t.Context(), &bindingpb.IsBoundRequest{Instance: id, Region: at.Region, Zone: at.Zone})
			return answer.GetBound(), err
		}
		z.awaitBound(time.Second, "1=100")
		if bound, err := ask(eta.ID(), platformtest.Local); err != nil || !bound {
			t.Errorf("an instance that is bound: want true, got %v, %v", bound, err)
		}
		if bound, err := ask("core.eta-0", platformtest.Local); err != nil || bound {
			t.Errorf("an instance that is not bound: want false, got %v, %v", bound, err)
		}
		if _, err := ask(eta.ID(), bus.Zone{Region: platformtest.Local.Region, Zone: "b"}); !fault.Is(err, fault.NotFound) {
			t.Errorf("an instance of a zone without kernel.binding: want NotFound, got %v", err)
		}
	})
}

func TestOverlayGetsOnlyItsRequests(t *testing.T) {
	inZone(t, func(t *testing.T, z *zone) {
		z.binding()
		z.env.Start(slices.Concat(z.eta("1", 1), z.eta("2", 1, platform.Overlay("alice")))...)
		z.awaitBound(time.Second, "1=100", "2=100")
		for label, want := range map[string]string{"": "1", "alice": "2", "bob": "1"} {
			if version, err := z.call(platform.WithOverlay(t.Context(), label)); err != nil || version != want {
				t.Errorf("call with overlay %q: want version %s, got %q, %v", label, want, version, err)
			}
		}
	})
}
