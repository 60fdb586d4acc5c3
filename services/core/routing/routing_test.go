package routing

import (
	"context"
	"math"
	"testing"

	"github.com/hansom-platform/hansom/fault"
	routingpb "github.com/hansom-platform/hansom/proto/taxi/routing"
)

var (
	charingCross = &routingpb.Point{Lat: 51.5074, Lng: -0.1278}
	heathrow     = &routingpb.Point{Lat: 51.4700, Lng: -0.4543}
	paris        = &routingpb.Point{Lat: 48.8566, Lng: 2.3522}
)

func fixedSpeed(context.Context, string) (float64, error) { return 7.5, nil }

func TestMatrixKeepsTheOrderOfOrigins(t *testing.T) {
	h := &handler{fixedSpeed}
	response, err := h.Matrix(t.Context(), &routingpb.MatrixRequest{
		City: "LON", Origins: []*routingpb.Point{heathrow, charingCross}, Destination: charingCross,
	})
	if err != nil {
		t.Fatal(err)
	}
	// 22.98 km as the crow flies, by the spherical law of cosines.
	if got, want := response.Ways[0].DistanceM, 22_980*detour; math.Abs(got-want) > 100 {
		t.Errorf("Heathrow to Charing Cross: want about %.0f m, got %.0f", want, got)
	}
	if got, want := response.Ways[0].DurationS, response.Ways[0].DistanceM/7.5; got != want {
		t.Errorf("duration at 7.5 m/s: want %g s, got %g", want, got)
	}
	if got := response.Ways[1].DistanceM; got != 0 {
		t.Errorf("from a point to itself: want 0 m, got %g", got)
	}
}

func TestMatrixRefuses(t *testing.T) {
	many := make([]*routingpb.Point, maxOrigins+1)
	for i := range many {
		many[i] = charingCross
	}
	one := []*routingpb.Point{charingCross}
	for name, c := range map[string]struct {
		origins     []*routingpb.Point
		destination *routingpb.Point
		reason      string
	}{
		"no origin":         {nil, heathrow, "bad_origins"},
		"too many origins":  {many, heathrow, "bad_origins"},
		"no destination":    {one, nil, "bad_point"},
		"a missing origin":  {[]*routingpb.Point{nil}, heathrow, "bad_point"},
		"NaN":               {one, &routingpb.Point{Lat: math.NaN()}, "bad_point"},
		"beyond the pole":   {[]*routingpb.Point{{Lat: 91}}, heathrow, "bad_point"},
		"another country":   {[]*routingpb.Point{charingCross, paris}, charingCross, "too_far"},
		"infinitely far":    {one, &routingpb.Point{Lng: math.Inf(1)}, "bad_point"},
		"the other side":    {one, &routingpb.Point{Lat: -51.5, Lng: 179.9}, "too_far"},
		"past the meridian": {one, &routingpb.Point{Lng: -180.1}, "bad_point"},
	} {
		_, err := (&handler{fixedSpeed}).Matrix(t.Context(), &routingpb.MatrixRequest{Origins: c.origins, Destination: c.destination})
		if !fault.Is(err, fault.BadRequest) || fault.ReasonOf(err) != "core.routing.matrix."+c.reason {
			t.Errorf("%s: want BAD_REQUEST core.routing.matrix.%s, got %v", name, c.reason, err)
		}
	}
}

func TestAnUnknownCityIsSaidByCoreCity(t *testing.T) {
	unknown := fault.New(fault.NotFound, "core.city.read.unknown_city", "there is no city XXX")
	h := &handler{func(context.Context, string) (float64, error) { return 0, unknown }}
	_, err := h.Matrix(t.Context(), &routingpb.MatrixRequest{
		City: "XXX", Origins: []*routingpb.Point{heathrow}, Destination: charingCross,
	})
	if fault.ReasonOf(err) != "core.city.read.unknown_city" {
		t.Errorf("want core.city's own fault, got %v", err)
	}
}
