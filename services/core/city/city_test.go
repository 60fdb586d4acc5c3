package city

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/platformtest"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
	citypb "github.com/hansom-platform/hansom/proto/taxi/city"
)

// shelf stands in for kernel.config: documents with revisions, and no judgement.
type shelf struct {
	mu        sync.Mutex
	documents map[string]*configpb.Document
	revision  uint64
	away      bool
}

func newShelf() *shelf {
	s := &shelf{documents: map[string]*configpb.Document{}}
	for id, text := range Seed() {
		s.put(id, text)
	}
	return s
}

func (s *shelf) put(id string, text []byte) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revision++
	s.documents[id] = &configpb.Document{Id: id, Json: text, Revision: s.revision}
	return s.revision
}

func (s *shelf) serve(env *platformtest.Env) {
	platformtest.Fake(env, configpb.ConfigList, s.list)
	platformtest.Fake(env, configpb.ConfigRead, s.read)
	platformtest.Fake(env, configpb.ConfigUpdate, s.update)
}

func (s *shelf) list(_ context.Context, r *configpb.ListRequest) (*configpb.ListResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return nil, fault.New(fault.Unavailable, "test.away", "away")
	}
	response := &configpb.ListResponse{Revision: s.revision}
	for id, d := range s.documents {
		if strings.HasPrefix(id, r.GetPrefix()) {
			response.Documents = append(response.Documents, d)
		}
	}
	return response, nil
}

func (s *shelf) read(_ context.Context, r *configpb.ReadRequest) (*configpb.ReadResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.documents[r.GetId()]
	if !ok {
		return nil, fault.New(fault.NotFound, "test.not_found", "no document %s", r.GetId())
	}
	return &configpb.ReadResponse{Document: d, Revision: s.revision}, nil
}

func (s *shelf) update(_ context.Context, r *configpb.UpdateRequest) (*configpb.UpdateResponse, error) {
	edit := r.GetEdits()[0]
	s.mu.Lock()
	current := s.documents[edit.GetId()].GetRevision()
	s.mu.Unlock()
	if edit.GetCheckRevision() && edit.GetExpectedRevision() != current {
		return nil, fault.New(fault.Conflict, "test.conflict", "is at %d", current)
	}
	if r.GetDryRun() {
		return &configpb.UpdateResponse{}, nil
	}
	return &configpb.UpdateResponse{Revision: s.put(edit.GetId(), edit.GetJson())}, nil
}

func run(t *testing.T, f func(t *testing.T, env *platformtest.Env, s *shelf, c *citypb.CityClient)) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		s := newShelf()
		s.serve(env)
		env.Start(Service(platform.Logger(env.Logger())))
		f(t, env, s, citypb.NewCityClient(env.Client()))
	})
}

func TestReadReturnsTheDocument(t *testing.T) {
	run(t, func(t *testing.T, _ *platformtest.Env, _ *shelf, c *citypb.CityClient) {
		response, err := c.Read(t.Context(), &citypb.ReadRequest{Code: "LON"})
		if err != nil {
			t.Fatalf("Read(LON): %v", err)
		}
		got := response.City
		if got.Code != "LON" || got.Name != "London" || got.Timezone != "Europe/London" || got.RadiusM != 25000 {
			t.Errorf("Read(LON): want London's document, got %v", got)
		}
	})
}

func TestAnUnknownCityNamesTheKnown(t *testing.T) {
	run(t, func(t *testing.T, _ *platformtest.Env, _ *shelf, c *citypb.CityClient) {
		for _, code := range []string{"", "XXX", "lon", "DUB", "city/LON"} {
			_, err := c.Read(t.Context(), &citypb.ReadRequest{Code: code})
			f := fault.From(err)
			if f == nil || f.Code != fault.NotFound || f.Reason != "core.city.read.unknown_city" {
				t.Errorf("Read(%q): want NOT_FOUND core.city.read.unknown_city, got %v", code, err)
			} else if !strings.Contains(f.Message, "BCN, BOS, CHI, LON") {
				t.Errorf("Read(%q): want the codes listed, got %q", code, f.Message)
			}
		}
	})
}

var dublin = map[string]string{"name": "Dublin", "lat": "53.3498", "lng": "-6.2603", "timezone": "Europe/Dublin"}

func TestClonePreviewsAndThenWrites(t *testing.T) {
	run(t, func(t *testing.T, _ *platformtest.Env, s *shelf, c *citypb.CityClient) {
		request := &citypb.CloneRequest{From: "LON", To: "DUB", Set: dublin, Message: "we open in Dublin", DryRun: true}
		preview, err := c.Clone(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		var paths []string
		for _, d := range preview.GetDifferences() {
			paths = append(paths, d.GetPath()+": "+d.GetBefore()+" -> "+d.GetAfter())
		}
		want := []string{
			`code: "LON" -> "DUB"`, `lat: 51.5074 -> 53.3498`, `lng: -0.1278 -> -6.2603`,
			`name: "London" -> "Dublin"`, `timezone: "Europe/London" -> "Europe/Dublin"`,
		}
		if !slices.Equal(paths, want) {
			t.Errorf("want every difference and nothing else:\n%q, got\n%q", want, paths)
		}
		if _, err := c.Read(t.Context(), &citypb.ReadRequest{Code: "DUB"}); !fault.Is(err, fault.NotFound) {
			t.Errorf("after a preview: want no city DUB, got %v", err)
		}
		request.DryRun = false
		done, err := c.Clone(t.Context(), request)
		if err != nil || done.GetRevision() == 0 {
			t.Fatalf("want a revision, got %v, %v", done, err)
		}
		got, err := c.Read(t.Context(), &citypb.ReadRequest{Code: "DUB"})
		if err != nil || got.GetCity().GetName() != "Dublin" || got.GetCity().GetSpeedMps() != 7.5 {
			t.Errorf("after the clone: want Dublin with London's speed at once, got %v, %v", got, err)
		}
		if _, err := c.Clone(t.Context(), request); fault.ReasonOf(err) != "core.city.clone.exists" {
			t.Errorf("a second clone: want core.city.clone.exists, got %v", err)
		}
	})
}

func TestCloneRefuses(t *testing.T) {
	run(t, func(t *testing.T, _ *platformtest.Env, _ *shelf, c *citypb.CityClient) {
		for _, bad := range []struct {
			from, to string
			set      map[string]string
			reason   string
			names    string
		}{
			{"XXX", "DUB", nil, "core.city.read.unknown_city", "XXX"},
			{"LON", "Dublin", nil, "core.city.clone.bad_code", "Dublin"},
			{"LON", "DUB", map[string]string{"lat": "north"}, "core.city.invalid", "lat"},
			{"LON", "DUB", map[string]string{"radius_m": "-1"}, "core.city.invalid", "radius_m"},
			{"LON", "DUB", map[string]string{"name": ""}, "core.city.invalid", "name"},
			{"LON", "DUB", map[string]string{"nomen": "Dublin"}, "core.city.invalid", "nomen"},
			{"LON", "DUB", map[string]string{"code": "LON"}, "core.city.invalid", "LON"},
			{"LON", "DUB", map[string]string{"name.en": "Dublin"}, "core.city.bad_substitution", "name.en"},
			{"LON", "DUB", map[string]string{"a..b": "1"}, "core.city.bad_substitution", "a..b"},
		} {
			_, err := c.Clone(t.Context(), &citypb.CloneRequest{From: bad.from, To: bad.to, Set: bad.set})
			if fault.ReasonOf(err) != bad.reason || !strings.Contains(err.Error(), bad.names) {
				t.Errorf("clone %s %s %v: want %s that names %s, got %v", bad.from, bad.to, bad.set, bad.reason, bad.names, err)
			}
		}
	})
}

func TestCloneWarnsOfWhatWasForgotten(t *testing.T) {
	run(t, func(t *testing.T, _ *platformtest.Env, _ *shelf, c *citypb.CityClient) {
		got, err := c.Clone(t.Context(), &citypb.CloneRequest{From: "LON", To: "DUB", DryRun: true})
		if err != nil || len(got.GetWarnings()) != 2 {
			t.Errorf("London's name and centre in Dublin: want 2 warnings, got %v, %v", got.GetWarnings(), err)
		}
	})
}

func TestUpdateChangesOneMember(t *testing.T) {
	run(t, func(t *testing.T, _ *platformtest.Env, _ *shelf, c *citypb.CityClient) {
		got, err := c.Update(t.Context(), &citypb.UpdateRequest{Code: "LON", Set: map[string]string{"radius_m": "30000"}, Message: "further out"})
		if err != nil || got.GetCity().GetRadiusM() != 30000 || len(got.GetDifferences()) != 1 {
			t.Fatalf("want a radius of 30 km and one difference, got %v, %v", got, err)
		}
		read, err := c.Read(t.Context(), &citypb.ReadRequest{Code: "LON"})
		if err != nil || read.GetCity().GetRadiusM() != 30000 {
			t.Errorf("want the new radius at once, got %v, %v", read, err)
		}
	})
}

func TestAnEventBringsANewCity(t *testing.T) {
	run(t, func(t *testing.T, env *platformtest.Env, s *shelf, c *citypb.CityClient) {
		text := strings.ReplaceAll(string(Seed()["city/LON"]), "LON", "PAR")
		revision := s.put("city/PAR", []byte(text))
		publisher := platform.New("core.publisher")
		env.Start(publisher)
		if err := publisher.PublishEvent(t.Context(), topicChanged, &configpb.Changed{Revision: revision, Ids: []string{"city/PAR"}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := c.Read(t.Context(), &citypb.ReadRequest{Code: "PAR"}); err != nil {
			t.Errorf("after the event: want the city PAR, got %v", err)
		}
	})
}

func TestAMissedEventIsMadeGood(t *testing.T) {
	run(t, func(t *testing.T, _ *platformtest.Env, s *shelf, c *citypb.CityClient) {
		s.put("city/PAR", []byte(strings.ReplaceAll(string(Seed()["city/LON"]), "LON", "PAR")))
		<-time.After(refreshInterval + time.Second)
		if _, err := c.Read(t.Context(), &citypb.ReadRequest{Code: "PAR"}); err != nil {
			t.Errorf("after the refresh: want the city PAR, got %v", err)
		}
	})
}

func TestABrokenDocumentLeavesTheCityAsItWas(t *testing.T) {
	run(t, func(t *testing.T, _ *platformtest.Env, s *shelf, c *citypb.CityClient) {
		s.put("city/LON", []byte(`{"code":"LON"}`))
		<-time.After(refreshInterval + time.Second)
		got, err := c.Read(t.Context(), &citypb.ReadRequest{Code: "LON"})
		if err != nil || got.GetCity().GetName() != "London" {
			t.Errorf("want London as it was, got %v, %v", got, err)
		}
	})
}

func TestItStartsWithoutTheConfigService(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		s := newShelf()
		s.away = true
		s.serve(env)
		env.Start(Service(platform.Logger(env.Logger())))
		c := citypb.NewCityClient(env.Client())
		if _, err := c.List(t.Context(), &citypb.ListRequest{}); fault.ReasonOf(err) != "core.city.not_loaded" {
			t.Errorf("without the config service: want core.city.not_loaded, got %v", err)
		}
		s.mu.Lock()
		s.away = false
		s.mu.Unlock()
		<-time.After(10 * time.Second)
		if got, err := c.List(t.Context(), &citypb.ListRequest{}); err != nil || len(got.GetCities()) != 9 {
			t.Errorf("once it is back: want 9 cities, got %v, %v", got, err)
		}
	})
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
		city, err := parse("LON", Seed()["city/LON"])
		if err != nil {
			t.Fatal(err)
		}
		spoil(&city)
		if err := city.validate(); err == nil || !strings.Contains(err.Error(), field+" ") {
			t.Errorf("with a wrong %s: want an error that names it, got %v", field, err)
		}
	}
}

func TestTheSeedIsValid(t *testing.T) {
	for id, text := range Seed() {
		if code, ok := strings.CutPrefix(id, prefix); ok {
			if _, err := parse(code, text); err != nil {
				t.Errorf("%s: %v", id, err)
			}
		} else if !json.Valid(text) {
			t.Errorf("%s is no JSON", id)
		}
	}
}
