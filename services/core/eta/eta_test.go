package eta

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/hansom-platform/hansom/fault"
	etapb "github.com/hansom-platform/hansom/proto/taxi/eta"
	routingpb "github.com/hansom-platform/hansom/proto/taxi/routing"
)

func zoneOf(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func TestTrafficGoesFromHourToHour(t *testing.T) {
	for at, want := range map[string]float64{
		"2026-06-01T03:00:00Z": 1.00, // a Monday
		"2026-06-01T08:00:00Z": 1.60,
		"2026-06-01T08:30:00Z": 1.525,
		"2026-06-06T08:00:00Z": 1.10, // a Saturday
		"2026-06-05T23:30:00Z": 1.05, // Friday into Saturday
	} {
		local, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := traffic(local); math.Abs(got-want) > 1e-9 {
			t.Errorf("traffic at %s: want %g, got %g", at, want, got)
		}
	}
}

// TestTrafficHasNoSteps also walks over the changes to and from summer time.
func TestTrafficHasNoSteps(t *testing.T) {
	zone := zoneOf(t, "Europe/London")
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(1767225600, 1798761600).Draw(t, "at"), 0).In(zone) // 2026
		a, b := traffic(at), traffic(at.Add(time.Second))
		if math.Abs(a-b) > 0.0002 {
			t.Fatalf("traffic at %s: want no step within a second, got %g then %g", at, a, b)
		}
		if a < 1 || a > 2 {
			t.Fatalf("traffic at %s: want 1 to 2, got %g", at, a)
		}
	})
}

// free answers that every way lasts ten minutes.
func free(_ context.Context, r *routingpb.MatrixRequest) (*routingpb.MatrixResponse, error) {
	response := new(routingpb.MatrixResponse)
	for range r.Origins {
		response.Ways = append(response.Ways, &routingpb.Way{DistanceM: 4500, DurationS: 600})
	}
	return response, nil
}

func origins(n int) *etapb.EstimateRequest {
	r := &etapb.EstimateRequest{City: "TOK", Destination: new(routingpb.Point)}
	for range n {
		r.Origins = append(r.Origins, new(routingpb.Point))
	}
	return r
}

// TestEstimateTakesTheCitysHour starts at the bubble's midnight UTC, Saturday 1 January 2000: nine in the morning
// in Tokyo.
func TestEstimateTakesTheCitysHour(t *testing.T) {
	tokyo := zoneOf(t, "Asia/Tokyo")
	synctest.Test(t, func(t *testing.T) {
		h := &handler{free, func(context.Context, string) (*time.Location, error) { return tokyo, nil }}
		response, err := h.Estimate(t.Context(), origins(2))
		if err != nil {
			t.Fatal(err)
		}
		want := setOff + 600*weekend[9]
		for i, e := range response.Estimates {
			if math.Abs(e.EtaS-want) > 1e-9 || e.DistanceM != 4500 {
				t.Errorf("estimate %d: want %g s for 4500 m, got %v", i, want, e)
			}
		}
		if len(response.Estimates) != 2 {
			t.Errorf("want 2 estimates, got %d", len(response.Estimates))
		}
	})
}

func TestEstimateRefusesABadBatch(t *testing.T) {
	h := &handler{matrix: free}
	for _, n := range []int{0, 101} {
		if _, err := h.Estimate(t.Context(), origins(n)); fault.ReasonOf(err) != "core.eta.estimate.bad_origins" {
			t.Errorf("%d origins: want core.eta.estimate.bad_origins, got %v", n, err)
		}
	}
}

func TestAShortMatrixIsABadResponse(t *testing.T) {
	h := &handler{
		func(context.Context, *routingpb.MatrixRequest) (*routingpb.MatrixResponse, error) {
			return new(routingpb.MatrixResponse), nil
		},
		func(context.Context, string) (*time.Location, error) { return time.UTC, nil },
	}
	if _, err := h.Estimate(t.Context(), origins(1)); !fault.Is(err, fault.BadResponse) {
		t.Errorf("want BAD_RESPONSE, got %v", err)
	}
}
