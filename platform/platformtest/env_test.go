package platformtest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/platformtest"
	hansompb "github.com/hansom-platform/hansom/proto/hansom"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
	etapb "github.com/hansom-platform/hansom/proto/taxi/eta"
	routingpb "github.com/hansom-platform/hansom/proto/taxi/routing"
)

func matrix(duration float64) func(context.Context, *routingpb.MatrixRequest) (*routingpb.MatrixResponse, error) {
	return func(context.Context, *routingpb.MatrixRequest) (*routingpb.MatrixResponse, error) {
		return &routingpb.MatrixResponse{Ways: []*routingpb.Way{{DurationS: duration}}}, nil
	}
}

func wantFault(t *testing.T, err error, code fault.Code, reason string) {
	t.Helper()
	if !fault.Is(err, code) || fault.ReasonOf(err) != reason {
		t.Errorf("got error %v, want %s %s", err, code, reason)
	}
}

func TestRealTime(t *testing.T) {
	env := platformtest.New(t)
	platformtest.Fake(env, routingpb.RoutingMatrix, matrix(30))
	env.Start(newEta())
	response, err := etapb.NewEtaClient(env.Client()).Estimate(t.Context(), fromHere)
	if err != nil || response.GetEstimates()[0].GetEtaS() != 90 {
		t.Errorf("Estimate = %v, %v; want 90 s", response, err)
	}
}

func TestFakeIsReplaced(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		eta := etapb.NewEtaClient(env.Client())
		env.Start(newEta())
		for _, duration := range []float64{1, 2, 3} {
			platformtest.Fake(env, routingpb.RoutingMatrix, matrix(duration))
			response, err := eta.Estimate(t.Context(), fromHere)
			if err != nil || response.GetEstimates()[0].GetEtaS() != duration+60 {
				t.Errorf("with a fake that says %v s: %v, %v", duration, response, err)
			}
		}
	})
}

func TestMissingDependency(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		env.Start(newEta())
		_, err := etapb.NewEtaClient(env.Client()).Estimate(t.Context(), fromHere)
		wantFault(t, err, fault.NoRoute, "bus.no_route.unknown_service")
	})
}

func TestFaultsArriveAsThePeerSaidThem(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		env.Start(newEta())
		_, err := etapb.NewEtaClient(env.Client()).Estimate(t.Context(), &etapb.EstimateRequest{})
		wantFault(t, err, fault.BadRequest, "core.eta.estimate.no_origins")
		if fault.From(err).Origin != fault.Peer {
			t.Errorf("the fault's origin is %v, want peer", fault.From(err).Origin)
		}
	})
}

// TestTimeoutsAreExact has a dependency hang: the call takes its budget of virtual
// time and not a nanosecond more.
func TestTimeoutsAreExact(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		platformtest.Fake(env, routingpb.RoutingMatrix, func(ctx context.Context, _ *routingpb.MatrixRequest) (*routingpb.MatrixResponse, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		env.Start(newEta())
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := etapb.NewEtaClient(env.Client()).Estimate(ctx, fromHere)
		if took := time.Since(start); !fault.Is(err, fault.Timeout) || took > 200*time.Millisecond {
			t.Errorf("after %v: %v; want TIMEOUT within 200 ms", took, err)
		}
	})
}

func TestSeveralVersions(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		platformtest.Fake(env, routingpb.RoutingMatrix, matrix(1))
		env.Start(newEta(platform.Version("1")), newEta(platform.Version("1")), newEta(platform.Version("2")))
		for _, test := range []struct{ one, two uint32 }{{100, 0}, {0, 100}} {
			env.Weigh("core.eta", "1", test.one)
			env.Weigh("core.eta", "2", test.two)
			for range 20 {
				var by platform.ServedBy
				_, err := etapb.NewEtaClient(env.Client()).Estimate(platform.CaptureServedBy(t.Context(), &by), fromHere)
				if want := map[bool]string{true: "1", false: "2"}[test.one > 0]; err != nil || by.Version != want {
					t.Fatalf("with weights %+v: version %q answered, %v; want version %s", test, by.Version, err, want)
				}
			}
		}
	})
}

func TestOverlay(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		platformtest.Fake(env, routingpb.RoutingMatrix, matrix(1))
		env.Start(newEta(platform.Version("main")), newEta(platform.Version("alice"), platform.Overlay("alice")))
		for label, want := range map[string]string{"": "main", "alice": "alice", "bob": "main"} {
			var by platform.ServedBy
			ctx := platform.WithOverlay(platform.CaptureServedBy(t.Context(), &by), label)
			if _, err := etapb.NewEtaClient(env.Client()).Estimate(ctx, fromHere); err != nil || by.Version != want {
				t.Errorf("overlay %q: version %q answered, %v; want %s", label, by.Version, err, want)
			}
		}
	})
}

func TestRolesAndTiers(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		platformtest.Fake(env, routingpb.RoutingMatrix, matrix(1))
		_, err := routingpb.NewRoutingClient(env.ClientAs("core.eta")).Matrix(t.Context(), &routingpb.MatrixRequest{})
		if err != nil {
			t.Errorf("core.eta calls core.routing: %v", err)
		}
		_, err = routingpb.NewRoutingClient(env.ClientAs("stranger")).Matrix(t.Context(), &routingpb.MatrixRequest{})
		wantFault(t, err, fault.Unauthorized, "platform.unauthorized.anonymous")
	})
}

func TestStopDrains(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		platformtest.Fake(env, routingpb.RoutingMatrix, func(ctx context.Context, _ *routingpb.MatrixRequest) (*routingpb.MatrixResponse, error) {
			time.Sleep(100 * time.Millisecond) // virtual
			return matrix(1)(ctx, nil)
		})
		svc := newEta()
		env.Start(svc)
		eta := etapb.NewEtaClient(env.Client())
		answered := make(chan error, 1)
		go func() {
			_, err := eta.Estimate(context.Background(), fromHere)
			answered <- err
		}()
		synctest.Wait()
		env.Stop(svc)
		if err := <-answered; err != nil {
			t.Errorf("a request under way when the drain began: %v", err)
		}
		_, err := eta.Estimate(t.Context(), fromHere)
		wantFault(t, err, fault.NoRoute, "bus.no_route.no_instance")
	})
}

func TestKillIsNoticedByHeartbeats(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		platformtest.Fake(env, routingpb.RoutingMatrix, matrix(1))
		svc := newEta()
		env.Start(svc)
		env.Kill(svc)
		eta := etapb.NewEtaClient(env.Client())
		_, err := eta.Estimate(t.Context(), fromHere)
		wantFault(t, err, fault.NoRoute, "bus.no_route.gone")
		time.Sleep(31 * time.Second) // virtual: three heartbeats
		_, err = eta.Estimate(t.Context(), fromHere)
		wantFault(t, err, fault.NoRoute, "bus.no_route.no_instance")
	})
}

func TestHeartbeatsKeepServicesListed(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		env.Start(newEta())
		time.Sleep(time.Hour) // virtual
		list, err := discoverypb.NewDiscoveryClient(env.Client()).Instances(t.Context(), &discoverypb.InstancesRequest{Service: "core.eta"})
		if err != nil || len(list.GetRegistrations()) != 1 {
			t.Errorf("after an hour: %v, %v; want core.eta still listed", list, err)
		}
	})
}

func TestOutage(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		platformtest.Fake(env, routingpb.RoutingMatrix, matrix(1))
		routing := routingpb.NewRoutingClient(env.ClientAs("core.eta"))
		env.Engine().Stop()
		_, err := routing.Matrix(t.Context(), &routingpb.MatrixRequest{})
		if !fault.Is(err, fault.Unavailable) && !fault.Is(err, fault.Timeout) {
			t.Errorf("a call during an outage: %v; want UNAVAILABLE or TIMEOUT", err)
		}
		env.Engine().Start()
		if _, err := routing.Matrix(t.Context(), &routingpb.MatrixRequest{}); err != nil {
			t.Errorf("a call after the outage: %v", err)
		}
	})
}

func TestEvents(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		svc := newEta()
		got := make(chan string, 1)
		svc.Subscribe(bus.Subscription{Topic: "discovery.up"}, func(_ context.Context, e *bus.Event) error {
			got <- e.Topic
			return nil
		})
		env.Start(svc)
		if topic := <-got; topic != "discovery.up" {
			t.Errorf("got an event on %s", topic)
		}
	})
}

func newCustomerAPI() *platform.Service {
	svc := platform.New("api.v1.customer")
	svc.HandleHTTP("neardrivers", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Cohort", fmt.Sprint(platform.CohortOf(r.Context())))
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(w, "%s %s %s", r.Method, r.URL, body)
	}), platform.Roles(platform.RoleAnyone))
	return svc
}

func TestHTTP(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		env.Start(newCustomerAPI())
		api := env.HTTP("api.v1.customer")
		r, err := http.NewRequestWithContext(platform.WithCohort(t.Context(), 42), http.MethodPost,
			"http://localhost/v1/customer/neardrivers/x?city=LON", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		response, err := (&http.Client{Transport: api}).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		body, _ := io.ReadAll(response.Body)
		if want := "POST /v1/customer/neardrivers/x?city=LON hello"; response.StatusCode != http.StatusAccepted || string(body) != want {
			t.Errorf("got %d %q, want 202 %q", response.StatusCode, body, want)
		}
		if response.Header.Get("X-Cohort") != "42" || len(response.Header.Get(platform.HeaderRequestID)) != 32 {
			t.Errorf("header %v: want cohort 42 and a request id of 32 digits", response.Header)
		}
	})
}

func TestHTTPFaults(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		env.Start(newCustomerAPI())
		api := env.HTTP("api.v1.customer")
		for path, status := range map[string]int{
			"/v1/customer/neardrivers": http.StatusAccepted,
			"/v1/customer/nosuch":      http.StatusNotFound,
			"/v1/driver/neardrivers":   http.StatusNotFound,
		} {
			if got := api.Get(t.Context(), path).Code; got != status {
				t.Errorf("GET %s = %d, want %d", path, got, status)
			}
		}
		if got := api.Post(t.Context(), "/v1/customer/nosuch", "{}").Header().Get("Content-Type"); got != fault.ProblemType {
			t.Errorf("the fault came as %q, want %q", got, fault.ProblemType)
		}
	})
}

// TestHopsFollowARequest asks every instance what it knows of one request, as
// `hansom why` does.
func TestHopsFollowARequest(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		platformtest.Fake(env, routingpb.RoutingMatrix, matrix(1))
		eta := newEta()
		api := platform.New("api.v1.customer")
		api.HandleHTTP("eta", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := etapb.NewEtaClient(api).Estimate(r.Context(), fromHere); err != nil {
				w.WriteHeader(http.StatusBadGateway)
			}
		}), platform.Roles(platform.RoleAnyone))
		env.Start(eta, api)
		id := env.HTTP("api.v1.customer").Get(t.Context(), "/v1/customer/eta").Header().Get(platform.HeaderRequestID)

		for svc, want := range map[*platform.Service]string{
			api: "server api.v1.customer/eta, client core.eta/estimate",
			eta: "server core.eta/estimate, client core.routing/matrix",
		} {
			response := new(hansompb.HopsResponse)
			err := env.Client().Call(platform.To(t.Context(), svc.ID()), platform.Builtin(svc.Name(), platform.EndpointHops),
				&hansompb.HopsRequest{TraceId: id}, response)
			if got := describe(response.GetHops()); err != nil || got != want {
				t.Errorf("hops of %s: %q, %v; want %q", svc.Name(), got, err, want)
			}
		}
	})
}

func describe(hops []*hansompb.Hop) string {
	var all []string
	for _, h := range hops {
		side := map[bool]string{true: "server", false: "client"}[h.GetServer()]
		all = append(all, side+" "+h.GetService()+"/"+h.GetEndpoint())
	}
	return strings.Join(all, ", ")
}

// bare binds nothing: the test asks for its instance directly.
type bare struct{}

func (bare) Register(context.Context, *discoverypb.Instance) error { return nil }
func (bare) Deregister(context.Context, string) error              { return nil }

func TestWithoutDiscovery(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		svc := platform.New("core.bare", platform.RegisterWith(bare{}), platform.Logger(env.Logger()))
		env.Start(svc)
		health := platform.Builtin("core.bare", platform.EndpointHealth)
		err := env.Client().Call(t.Context(), health, &hansompb.HealthRequest{}, new(hansompb.HealthResponse))
		wantFault(t, err, fault.NoRoute, "bus.no_route.unknown_service")
		err = env.Client().Call(platform.To(t.Context(), svc.ID()), health, &hansompb.HealthRequest{}, new(hansompb.HealthResponse))
		if err != nil {
			t.Errorf("a direct call: %v", err)
		}
	}, platformtest.WithoutDiscovery())
}
