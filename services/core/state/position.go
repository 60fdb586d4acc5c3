package state

import (
	"cmp"
	"math"
	"regexp"
	"time"

	"github.com/hansom-platform/hansom/fault"
)

// A Position is where one driver was, and whether he was free. Coordinates are
// degrees, WGS 84; Heading is degrees clockwise from north.
type Position struct {
	Driver, City      string
	Lat, Lng, Heading float64
	Available         bool
	At                time.Time
}

// maxAhead is how far a phone's clock may run ahead of ours.
const maxAhead = 5 * time.Second

var (
	driverID = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,64}$`)
	cityCode = regexp.MustCompile(`^[A-Z]{3}$`)
)

// validate refuses what cannot be a position reported at about now, with
// BadRequest and a reason that begins with core.state.report.
func (p Position) validate(now time.Time, expiry time.Duration) error {
	switch {
	case !driverID.MatchString(p.Driver):
		return refuse("report.bad_driver", "driver %.80q: want 1 to 64 letters, digits and . _ : -", p.Driver)
	case !cityCode.MatchString(p.City):
		return refuse("report.bad_city", "city %.20q: want three capital letters", p.City)
	case !onEarth(p.Lat, p.Lng):
		return refuse("report.bad_point", "point %g, %g: want lat -90 to 90 and lng -180 to 180", p.Lat, p.Lng)
	case !(0 <= p.Heading && p.Heading <= 360):
		return refuse("report.bad_heading", "heading %g: want 0 to 360 degrees", p.Heading)
	case p.At.After(now.Add(maxAhead)):
		return refuse("report.from_future", "the report's time %s is %s ahead of ours; set the clock", stamp(p.At), p.At.Sub(now).Round(time.Second))
	case !now.Before(p.At.Add(expiry)):
		return refuse("report.too_old", "the report's time %s is past: positions hold for %s", stamp(p.At), expiry)
	}
	return nil
}

func refuse(reason, message string, args ...any) error {
	return fault.New(fault.BadRequest, "core.state."+reason, message, args...)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func onEarth(lat, lng float64) bool {
	return math.Abs(lat) <= 90 && math.Abs(lng) <= 180 // false for NaN
}

// newer reports whether p replaces q. The order is total over what positions say,
// so that instances which hear reports in any order agree in the end, also on two
// reports of one moment.
func (p Position) newer(q Position) bool {
	return cmp.Or(
		p.At.Compare(q.At),
		cmp.Compare(rank(p.Available), rank(q.Available)),
		cmp.Compare(p.City, q.City),
		cmp.Compare(p.Lat, q.Lat),
		cmp.Compare(p.Lng, q.Lng),
		cmp.Compare(p.Heading, q.Heading),
	) > 0
}

// rank lets "busy" win over "free": offering a busy driver is the worse mistake.
func rank(available bool) int {
	if available {
		return 0
	}
	return 1
}
