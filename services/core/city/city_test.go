package city

import (
	"math"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hansom-platform/hansom/fault"
	citypb "github.com/hansom-platform/hansom/proto/taxi/city"
)

func embeddedCatalogue(t *testing.T) *catalogue {
	t.Helper()
	cities, err := newCatalogue(documents())
	if err != nil {
		t.Fatal(err)
	}
	return cities
}

func TestReadReturnsTheDocument(t *testing.T) {
	h := &handler{embeddedCatalogue(t)}
	response, err := h.Read(t.Context(), &citypb.ReadRequest{Code: "LON"})
	if err != nil {
		t.Fatalf("Read(LON): %v", err)
	}
	got := response.City
	if got.Code != "LON" || got.Name != "London" || got.Timezone != "Europe/London" || got.RadiusM != 25000 {
		t.Errorf("Read(LON): want London's document, got %v", got)
	}
}

func TestAnUnknownCityNamesTheKnown(t *testing.T) {
	h := &handler{embeddedCatalogue(t)}
	for _, code := range []string{"", "XXX", "lon", "ZZZ", "AAA"} {
		_, err := h.Read(t.Context(), &citypb.ReadRequest{Code: code})
		f := fault.From(err)
		if f == nil || f.Code != fault.NotFound || f.Reason != "core.city.read.unknown_city" {
			t.Errorf("Read(%q): want NOT_FOUND core.city.read.unknown_city, got %v", code, err)
		} else if !strings.Contains(f.Message, "BCN, BOS, CHI, DUB, LON") {
			t.Errorf("Read(%q): want the codes listed, got %q", code, f.Message)
		}
	}
}

func TestListIsSortedAndWhole(t *testing.T) {
	response, err := (&handler{embeddedCatalogue(t)}).List(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(response.Cities) != 10 {
		t.Errorf("want 10 cities, got %d", len(response.Cities))
	}
	for i := 1; i < len(response.Cities); i++ {
		if a, b := response.Cities[i-1].Code, response.Cities[i].Code; a >= b {
			t.Errorf("want codes in order, got %s before %s", a, b)
		}
	}
}

func TestValidationNamesTheField(t *testing.T) {
	for field, spoil := range map[string]func(*City){
		"code":      func(c *City) { c.Code = "London" },
		"name":      func(c *City) { c.Name = "" },
		"lat":       func(c *City) { c.Lat = math.NaN() },
		"lng":       func(c *City) { c.Lng = 181 },
		"radius_m":  func(c *City) { c.Radius = 0 },
		"speed_mps": func(c *City) { c.Speed = -1 },
		"timezone":  func(c *City) { c.Timezone = "Europe/Londinium" },
	} {
		city := documents()["LON"]
		spoil(&city)
		_, err := newCatalogue(map[string]City{"LON": city})
		if err == nil || !strings.Contains(err.Error(), field+" ") {
			t.Errorf("with a wrong %s: want an error that names it, got %v", field, err)
		}
	}
}

func TestAFileIsNamedForItsCity(t *testing.T) {
	if _, err := newCatalogue(map[string]City{"PAR": documents()["LON"]}); err == nil {
		t.Error("LON's document in PAR.json: want an error, got none")
	}
}

func TestAMistypedFieldIsRefused(t *testing.T) {
	files := fstest.MapFS{"cities/LON.json": {Data: []byte(`{"code": "LON", "radius": 3}`)}}
	if _, err := read(files); err == nil || !strings.Contains(err.Error(), "cities/LON.json") {
		t.Errorf("unknown field radius: want an error that names the file, got %v", err)
	}
}
