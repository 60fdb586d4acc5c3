package neardrivers

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	etapb "github.com/hansom-platform/hansom/proto/taxi/eta"
	neardriverspb "github.com/hansom-platform/hansom/proto/taxi/neardrivers"
	profilepb "github.com/hansom-platform/hansom/proto/taxi/profile"
	routingpb "github.com/hansom-platform/hansom/proto/taxi/routing"
	statepb "github.com/hansom-platform/hansom/proto/taxi/state"
)

// nameless is what a driver is called whose profile cannot be read.
const nameless = "Driver"

// place is a point in a city, in degrees, WGS 84.
type place struct {
	city     string
	lat, lng float64
}

// finder puts the answer together. Its functions are the services it calls.
type finder struct {
	near     func(context.Context, *statepb.NearRequest) (*statepb.NearResponse, error)
	estimate func(context.Context, *etapb.EstimateRequest) (*etapb.EstimateResponse, error)
	profiles func(context.Context, *profilepb.ReadRequest) (*profilepb.ReadResponse, error)
	log      *slog.Logger
}

// find lists the free drivers around a place, nearest first.
func (f *finder) find(ctx context.Context, p place, limit uint32) ([]*neardriverspb.Driver, error) {
	near, err := f.near(ctx, &statepb.NearRequest{City: p.city, Lat: p.lat, Lng: p.lng, Limit: limit})
	if err != nil {
		return nil, err
	}
	found := near.GetDrivers()
	if len(found) == 0 {
		return nil, nil
	}
	var (
		times []*etapb.Estimate
		known map[string]*profilepb.Driver
	)
	err = platform.Parallel(ctx, 0,
		func(ctx context.Context) (err error) {
			times, err = f.times(ctx, p, found)
			return err
		},
		func(ctx context.Context) error {
			known = f.known(ctx, found)
			return nil
		})
	if err != nil {
		return nil, err
	}
	return assemble(found, times, known), nil
}

// times estimates how long each driver takes, in the order of found.
func (f *finder) times(ctx context.Context, p place, found []*statepb.Near) ([]*etapb.Estimate, error) {
	request := &etapb.EstimateRequest{City: p.city, Destination: &routingpb.Point{Lat: p.lat, Lng: p.lng}}
	for _, n := range found {
		request.Origins = append(request.Origins, &routingpb.Point{Lat: n.GetPosition().GetLat(), Lng: n.GetPosition().GetLng()})
	}
	response, err := f.estimate(ctx, request)
	if err != nil {
		return nil, err
	}
	if got := len(response.GetEstimates()); got != len(found) {
		return nil, fault.New(fault.BadResponse, "orchestration.neardrivers.find.bad_estimates", "arrival times cannot be estimated now").
			WithDetail("core.eta estimate: want %d estimates, got %d", len(found), got)
	}
	return response.GetEstimates(), nil
}

// known reads the drivers' profiles; without core.profile there are none.
func (f *finder) known(ctx context.Context, found []*statepb.Near) map[string]*profilepb.Driver {
	request := new(profilepb.ReadRequest)
	for _, n := range found {
		request.Ids = append(request.Ids, n.GetPosition().GetDriver())
	}
	response, err := f.profiles(ctx, request)
	if err != nil {
		f.log.WarnContext(ctx, "listing drivers without their names", "error", err)
	}
	known := map[string]*profilepb.Driver{}
	for _, d := range response.GetDrivers() {
		known[d.GetId()] = d
	}
	return known
}

func assemble(found []*statepb.Near, times []*etapb.Estimate, known map[string]*profilepb.Driver) []*neardriverspb.Driver {
	drivers := make([]*neardriverspb.Driver, len(found))
	for i, n := range found {
		at, profile := n.GetPosition(), known[n.GetPosition().GetDriver()]
		drivers[i] = &neardriverspb.Driver{
			Id:        at.GetDriver(),
			Name:      cmp.Or(profile.GetName(), nameless),
			Vehicle:   profile.GetVehicle(),
			Lat:       at.GetLat(),
			Lng:       at.GetLng(),
			DistanceM: n.GetDistanceM(),
			EtaS:      times[i].GetEtaS(),
		}
	}
	slices.SortFunc(drivers, func(a, b *neardriverspb.Driver) int {
		return cmp.Or(cmp.Compare(a.DistanceM, b.DistanceM), strings.Compare(a.Id, b.Id))
	})
	return drivers
}
