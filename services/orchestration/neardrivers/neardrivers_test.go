package neardrivers

import (
	"context"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/hansom-platform/hansom/fault"
	etapb "github.com/hansom-platform/hansom/proto/taxi/eta"
	neardriverspb "github.com/hansom-platform/hansom/proto/taxi/neardrivers"
	profilepb "github.com/hansom-platform/hansom/proto/taxi/profile"
	statepb "github.com/hansom-platform/hansom/proto/taxi/state"
)

func far(driver string, lat, distance float64) *statepb.Near {
	return &statepb.Near{Position: &statepb.Position{Driver: driver, City: "LON", Lat: lat, Available: true}, DistanceM: distance}
}

// working returns a finder over two drivers, the farther one first, of whom one
// has a profile. A driver takes ten seconds per degree of latitude.
func working() *finder {
	return &finder{
		near: func(context.Context, *statepb.NearRequest) (*statepb.NearResponse, error) {
			return &statepb.NearResponse{Drivers: []*statepb.Near{far("b", 2, 200), far("a", 1, 100)}}, nil
		},
		estimate: func(_ context.Context, r *etapb.EstimateRequest) (*etapb.EstimateResponse, error) {
			response := new(etapb.EstimateResponse)
			for _, o := range r.Origins {
				response.Estimates = append(response.Estimates, &etapb.Estimate{EtaS: 10 * o.Lat})
			}
			return response, nil
		},
		profiles: func(context.Context, *profilepb.ReadRequest) (*profilepb.ReadResponse, error) {
			return &profilepb.ReadResponse{Drivers: []*profilepb.Driver{{Id: "b", Name: "Bea", Vehicle: "Black cab"}}}, nil
		},
		log: slog.New(slog.DiscardHandler),
	}
}

func find(t *testing.T, f *finder, want ...*neardriverspb.Driver) {
	t.Helper()
	got, err := (&handler{f}).Find(t.Context(), &neardriverspb.FindRequest{City: "LON"})
	if err != nil {
		t.Fatalf("Find: %v", err)
	}
	if diff := cmp.Diff(&neardriverspb.FindResponse{Drivers: want}, got, protocmp.Transform()); diff != "" {
		t.Errorf("Find (-want +got)\n%s", diff)
	}
}

func TestFindPutsTogetherNearestFirst(t *testing.T) {
	find(t, working(),
		&neardriverspb.Driver{Id: "a", Name: "Driver", Lat: 1, DistanceM: 100, EtaS: 10},
		&neardriverspb.Driver{Id: "b", Name: "Bea", Vehicle: "Black cab", Lat: 2, DistanceM: 200, EtaS: 20},
	)
}

func TestWithoutProfilesDriversAreNameless(t *testing.T) {
	f := working()
	f.profiles = func(context.Context, *profilepb.ReadRequest) (*profilepb.ReadResponse, error) {
		return nil, fault.New(fault.NoRoute, "bus.no_route", "core.profile is gone")
	}
	find(t, f,
		&neardriverspb.Driver{Id: "a", Name: "Driver", Lat: 1, DistanceM: 100, EtaS: 10},
		&neardriverspb.Driver{Id: "b", Name: "Driver", Lat: 2, DistanceM: 200, EtaS: 20},
	)
}

func TestWithoutTimesFindFails(t *testing.T) {
	f := working()
	f.estimate = func(context.Context, *etapb.EstimateRequest) (*etapb.EstimateResponse, error) {
		return nil, fault.New(fault.Timeout, "core.eta.slow", "too slow")
	}
	if _, err := f.find(t.Context(), place{city: "LON"}, 10); fault.ReasonOf(err) != "core.eta.slow" {
		t.Errorf("want core.eta's own fault, got %v", err)
	}
}

func TestAShortEstimateIsABadResponse(t *testing.T) {
	f := working()
	f.estimate = func(context.Context, *etapb.EstimateRequest) (*etapb.EstimateResponse, error) {
		return new(etapb.EstimateResponse), nil
	}
	if _, err := f.find(t.Context(), place{city: "LON"}, 10); !fault.Is(err, fault.BadResponse) {
		t.Errorf("want BAD_RESPONSE, got %v", err)
	}
}

func TestWithNobodyNearNothingMoreIsAsked(t *testing.T) {
	f := &finder{near: func(context.Context, *statepb.NearRequest) (*statepb.NearResponse, error) {
		return new(statepb.NearResponse), nil
	}}
	find(t, f)
}

func TestTheLimitIsPassedOnAndChecked(t *testing.T) {
	for _, c := range []struct{ asked, want uint32 }{{0, 10}, {1, 1}, {50, 50}} {
		var got uint32
		h := &handler{&finder{near: func(_ context.Context, r *statepb.NearRequest) (*statepb.NearResponse, error) {
			got = r.Limit
			return new(statepb.NearResponse), nil
		}}}
		if _, err := h.Find(t.Context(), &neardriverspb.FindRequest{Limit: c.asked}); err != nil || got != c.want {
			t.Errorf("limit %d: want core.state asked for %d, got %d, %v", c.asked, c.want, got, err)
		}
	}
	_, err := (&handler{}).Find(t.Context(), &neardriverspb.FindRequest{Limit: 51})
	if fault.ReasonOf(err) != "orchestration.neardrivers.find.bad_limit" {
		t.Errorf("limit 51: want orchestration.neardrivers.find.bad_limit, got %v", err)
	}
}
