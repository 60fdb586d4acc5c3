package city

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // time zones must be known on machines without a zoneinfo folder

	"github.com/hansom-platform/hansom/fault"
)

// A City is one document. Coordinates are degrees, WGS 84.
type City struct {
	Code     string  `json:"code"` // three capital letters
	Name     string  `json:"name"`
	Lat      float64 `json:"lat"` // of the centre
	Lng      float64 `json:"lng"`
	Radius   float64 `json:"radius_m"`  // of the area served, 1 to 100 km
	Speed    float64 `json:"speed_mps"` // mean speed in free-flowing traffic, 1 to 40 m/s
	Timezone string  `json:"timezone"`  // IANA name
}

var codePattern = regexp.MustCompile(`^[A-Z]{3}$`)

// parse reads the document of one city.
func parse(code string, document []byte) (City, error) {
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.DisallowUnknownFields()
	var city City
	err := decoder.Decode(&city)
	if err == nil && !errors.Is(decoder.Decode(new(json.RawMessage)), io.EOF) {
		err = errors.New("something follows the object")
	}
	if err == nil {
		err = city.validate()
	}
	if err == nil && city.Code != code {
		err = fmt.Errorf("it holds the code %s", city.Code)
	}
	if err != nil {
		return City{}, fmt.Errorf("city document %s: %w", code, err)
	}
	return city, nil
}

// validate names everything that is wrong with c.
func (c City) validate() error {
	_, zone := time.LoadLocation(c.Timezone)
	return errors.Join(
		expect(codePattern.MatchString(c.Code), "code %q: want three capital letters", c.Code),
		expect(c.Name != "", "name is empty"),
		expect(-90 <= c.Lat && c.Lat <= 90, "lat %g: want -90 to 90", c.Lat),
		expect(-180 <= c.Lng && c.Lng <= 180, "lng %g: want -180 to 180", c.Lng),
		expect(1e3 <= c.Radius && c.Radius <= 100e3, "radius_m %g: want 1,000 to 100,000", c.Radius),
		expect(1 <= c.Speed && c.Speed <= 40, "speed_mps %g: want 1 to 40", c.Speed),
		expect(c.Timezone != "" && zone == nil, "timezone %q: want an IANA name such as Europe/London", c.Timezone),
	)
}

func expect(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}

// catalogue holds all cities at one revision of the configuration. It is never
// changed.
type catalogue struct {
	cities   []City // by code
	revision uint64
}

func newCatalogue(cities []City, revision uint64) *catalogue {
	slices.SortFunc(cities, func(a, b City) int { return strings.Compare(a.Code, b.Code) })
	return &catalogue{cities, revision}
}

// city returns one city, or NotFound core.city.read.unknown_city.
func (c *catalogue) city(code string) (City, error) {
	at, ok := slices.BinarySearchFunc(c.all(), code, func(city City, code string) int {
		return strings.Compare(city.Code, code)
	})
	if !ok {
		return City{}, unknownCity(code, c)
	}
	return c.cities[at], nil
}

func unknownCity(code string, known *catalogue) error {
	return fault.New(fault.NotFound, "core.city.read.unknown_city",
		"there is no city %.20q; the cities are %s", code, strings.Join(known.codes(), ", "))
}

func (c *catalogue) codes() []string {
	codes := make([]string, len(c.all()))
	for i, city := range c.all() {
		codes[i] = city.Code
	}
	return codes
}

// all returns the cities of c, which may be nil, by code.
func (c *catalogue) all() []City {
	if c == nil {
		return nil
	}
	return c.cities
}
