package edge

import (
	"context"
	"net/http"

	"github.com/golang/geo/s2"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform/memo"
	"github.com/hansom-platform/hansom/proto/rpc"
	citypb "github.com/hansom-platform/hansom/proto/taxi/city"
)

// Cities looks cities up in core.city and remembers them for a minute, and longer
// while core.city is away.
type Cities struct {
	known *memo.Memo[string, *citypb.Details]
}

// NewCities returns a lookup that calls through c.
func NewCities(c rpc.Caller) *Cities {
	client := citypb.NewCityClient(c)
	read := func(ctx context.Context, code string) (*citypb.Details, error) {
		response, err := client.Read(ctx, &citypb.ReadRequest{Code: code})
		if err == nil && response.GetCity() == nil {
			err = fault.New(fault.BadResponse, "api.v1.no_details", "the city's details cannot be read now")
		}
		return response.GetCity(), err
	}
	return &Cities{memo.New(memo.Config{}, read)}
}

// City returns a city's details, or core.city's NotFound. Treat them as read-only.
func (c *Cities) City(ctx context.Context, code string) (*citypb.Details, error) {
	return c.known.Get(ctx, code)
}

// Covers refuses a point outside the area of the city named. Coordinates are
// degrees, WGS 84, and must be in their ranges.
func (c *Cities) Covers(ctx context.Context, code string, lat, lng float64) error {
	city, err := c.City(ctx, code)
	if err != nil {
		return err
	}
	centre := s2.LatLngFromDegrees(city.GetLat(), city.GetLng())
	away := s2.LatLngFromDegrees(lat, lng).Distance(centre).Radians() * earthRadius
	if away > city.GetRadiusM() {
		return refuse(http.StatusBadRequest, "outside_area",
			"lat, lng: the point is %.1f km from the centre of %s, whose area ends at %.1f km",
			away/1000, city.GetName(), city.GetRadiusM()/1000)
	}
	return nil
}

// earthRadius is the mean radius in metres, as S2 has it in its package earth
// (Yoder 1995, Global Earth Physics, AGU Reference Shelf 1, table 2).
const earthRadius = 6371010

// A City as the API shows it.
type City struct {
	Code     string  `json:"code"`
	Name     string  `json:"name"`
	Lat      float64 `json:"lat"` // of the centre, degrees, WGS 84
	Lng      float64 `json:"lng"`
	Radius   float64 `json:"radius_m"`  // of the area served
	Speed    float64 `json:"speed_mps"` // mean speed in free-flowing traffic
	Timezone string  `json:"timezone"`  // IANA name
}

// Show answers GET …/city?city=LON with the city's details.
func (c *Cities) Show(r *http.Request) (any, error) {
	q := QueryOf(r)
	code := q.Text("city")
	if err := q.Err(); err != nil {
		return nil, err
	}
	d, err := c.City(r.Context(), code)
	if err != nil {
		return nil, err
	}
	return City{d.GetCode(), d.GetName(), d.GetLat(), d.GetLng(), d.GetRadiusM(), d.GetSpeedMps(), d.GetTimezone()}, nil
}
