package state

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/platformtest"
	statepb "github.com/hansom-platform/hansom/proto/taxi/state"
)

func report(driver string) *statepb.ReportRequest {
	return &statepb.ReportRequest{Position: &statepb.Position{
		Driver: driver, City: "LON", Lat: 51.5074, Lng: -0.1278, Available: true, At: timestamppb.Now(),
	}}
}

var charingCross = &statepb.NearRequest{City: "LON", Lat: 51.5074, Lng: -0.1278}

// wantNear asks one instance for the free drivers at Charing Cross.
func wantNear(t *testing.T, env *platformtest.Env, instance *platform.Service, want int) {
	t.Helper()
	ctx := platform.To(t.Context(), instance.ID())
	response, err := statepb.NewStateClient(env.Client()).Near(ctx, charingCross)
	if err != nil || len(response.GetDrivers()) != want {
		t.Errorf("Near at %s: want %d drivers, got %d, %v", instance.ID(), want, len(response.GetDrivers()), err)
	}
}

func start(env *platformtest.Env) *platform.Service {
	env.Grant("core.state", "core.state", "dump")
	s := Service(platform.Logger(env.Logger()))
	env.Start(s)
	return s
}

func TestEveryInstanceLearnsOfAReport(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		one, two := start(env), start(env)
		if _, err := statepb.NewStateClient(env.Client()).Report(t.Context(), report("d1")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		wantNear(t, env, one, 1)
		wantNear(t, env, two, 1)
	})
}

func TestANewInstanceStartsFromAnothers(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		start(env)
		client := statepb.NewStateClient(env.Client())
		for i := range 20 {
			if _, err := client.Report(t.Context(), report(fmt.Sprint("d", i))); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		two := start(env)
		wantNear(t, env, two, defaultLimit)
	})
}

func TestPositionsExpire(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		one := start(env)
		if _, err := statepb.NewStateClient(env.Client()).Report(t.Context(), report("d1")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(29 * time.Second)
		wantNear(t, env, one, 1)
		time.Sleep(time.Second)
		wantNear(t, env, one, 0)
	})
}

func TestReportRefuses(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		start(env)
		for reason, spoil := range map[string]func(*statepb.Position){
			"bad_driver":  func(p *statepb.Position) { p.Driver = "" },
			"bad_city":    func(p *statepb.Position) { p.City = "London" },
			"bad_point":   func(p *statepb.Position) { p.Lat = 90.5 },
			"bad_heading": func(p *statepb.Position) { p.Heading = -1 },
			"from_future": func(p *statepb.Position) { p.At = timestamppb.New(time.Now().Add(5*time.Second + time.Millisecond)) },
			"too_old":     func(p *statepb.Position) { p.At = timestamppb.New(time.Now().Add(-30 * time.Second)) },
		} {
			r := report("d1")
			spoil(r.Position)
			_, err := statepb.NewStateClient(env.Client()).Report(t.Context(), r)
			if !fault.Is(err, fault.BadRequest) || fault.ReasonOf(err) != "core.state.report."+reason {
				t.Errorf("want BAD_REQUEST core.state.report.%s, got %v", reason, err)
			}
		}
		_, err := statepb.NewStateClient(env.Client()).Report(t.Context(), new(statepb.ReportRequest))
		if !fault.Is(err, fault.BadRequest) {
			t.Errorf("a report without a position: want BAD_REQUEST, got %v", err)
		}
	})
}

func TestNearRefuses(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		start(env)
		for reason, r := range map[string]*statepb.NearRequest{
			"bad_city":   {City: ""},
			"bad_point":  {City: "LON", Lng: 200},
			"bad_limit":  {City: "LON", Limit: 101},
			"bad_radius": {City: "LON", RadiusM: 50_001},
		} {
			_, err := statepb.NewStateClient(env.Client()).Near(t.Context(), r)
			if !fault.Is(err, fault.BadRequest) || fault.ReasonOf(err) != "core.state.near."+reason {
				t.Errorf("%v: want BAD_REQUEST core.state.near.%s, got %v", r, reason, err)
			}
		}
	})
}
