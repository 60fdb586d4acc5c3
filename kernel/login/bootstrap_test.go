package login

import (
	"testing"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store"
	"github.com/hansom-platform/hansom/store/memstore"
)

func TestBootstrapMakesWhatIsMissingAndChangesNothing(t *testing.T) {
	inRealm(t, func(t *testing.T, _ *site) {
		st := store.New(memstore.New())
		seed := Seed{
			Users: []SeedUser{
				{Application: "admin", Identifiers: []string{"root"}, Password: password, Roles: []string{"ADMIN"}},
				{Application: "customer", Identifiers: []string{"ada"}, Password: password},
			},
			Grants: []Grant{{Service: "core.eta", Endpoint: "*", Caller: "orchestration.tow"}},
		}
		made, err := Bootstrap(t.Context(), st, testConfig(), seed)
		if err != nil || len(made.Users) != 2 || len(made.Grants) != 1 {
			t.Fatalf("the first time: %+v, %v; want 2 users and a grant", made, err)
		}
		seed.Users[0].Password, seed.Users[0].Roles = "another password entirely", nil
		seed.Users = append(seed.Users, SeedUser{Application: "customer", Identifiers: []string{"eve"}})
		again, err := Bootstrap(t.Context(), st, testConfig(), seed)
		if err != nil || len(again.Users) != 1 || len(again.Grants) != 0 {
			t.Errorf("the second time: %+v, %v; want one user", again, err)
		}
		s := newSite(t, st)
		_, o, err := s.authenticate(t.Context(), attempt{application: "admin", identifier: "root", password: password}, "cli")
		if err != nil || !isAdmin(o.Token.Roles) {
			t.Errorf("log in with the first password: roles %v, %v", o.Token.Roles, err)
		}
	})
}

func TestOpenSessionNeedsNoPassword(t *testing.T) {
	inRealm(t, func(t *testing.T, _ *site) {
		st := store.New(memstore.New())
		seed := Seed{Users: []SeedUser{{Application: "admin", Identifiers: []string{"root"}, Roles: []string{"ADMIN"}}}}
		if _, err := Bootstrap(t.Context(), st, testConfig(), seed); err != nil {
			t.Fatal(err)
		}
		opened, err := OpenSession(t.Context(), st, testConfig(), "admin", "root", "cli")
		if err != nil {
			t.Fatal(err)
		}
		s := newSite(t, st)
		if got, err := s.exchange(t.Context(), opened.ID); err != nil || got.token != opened.Token || !s.works(opened.Token) {
			t.Errorf("the session that was opened: %v; want its token to be exchanged and to work", err)
		}
		_, err = OpenSession(t.Context(), st, testConfig(), "admin", "nobody", "cli")
		wantCode(t, "open a session of nobody", err, fault.NotFound)
	})
}
