package login

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/hansom-platform/hansom/fault"
)

func TestUserHasSeveralIdentifiers(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		u := s.customer("ada", "Ada@example.com", "ADA")
		if want := []string{"ada", "ada@example.com"}; !slices.Equal(u.Identifiers, want) {
			t.Errorf("identifiers = %q, want %q", u.Identifiers, want)
		}
		for _, name := range []string{"ada", "ADA@EXAMPLE.COM", u.ID} {
			if got, err := s.users.find(t.Context(), "customer", name); err != nil || got.ID != u.ID {
				t.Errorf("find %q: %v, %v; want %s", name, got.ID, err, u.ID)
			}
		}
		_, err := s.users.find(t.Context(), "driver", "ada")
		wantCode(t, "find a customer among the drivers", err, fault.NotFound)
	})
}

func TestIdentifiersAreUniqueWithinAnApplication(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		first := s.customer("ada")
		_, err := s.createUser(t.Context(), newUser{"customer", []string{"fresh", "Ada"}, password, nil})
		wantReason(t, "another customer with the same identifier", err, reasonTaken)
		s.make("driver", []string{"ada"})
		if u := s.customer("fresh"); u.ID == first.ID {
			t.Error("an identifier of a user that was refused belongs to somebody else")
		}
	})
}

func TestOneOfManyGetsAnIdentifier(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		var made atomic.Int32
		atOnce(20, func(i int) {
			_, err := s.createUser(t.Context(), newUser{"customer", []string{"ada", fmt.Sprint("ada-", i)}, "", nil})
			switch {
			case err == nil:
				made.Add(1)
			case fault.ReasonOf(err) != reasonTaken:
				t.Errorf("create: %v", err)
			}
		})
		if made.Load() != 1 {
			t.Errorf("%d of 20 users with one identifier were made, want 1", made.Load())
		}
	})
}

func TestClaimOfAUserThatWasNeverMadeIsTakenOver(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		if err := s.users.claim(t.Context(), "customer", "ada", newUserID()); err != nil {
			t.Fatal(err)
		}
		if err := s.users.claim(t.Context(), "customer", "ada", newUserID()); !errors.Is(err, errTaken) {
			t.Errorf("claim what somebody claimed just now: %v, want it to be taken", err)
		}
		pass(2 * claimGrace)
		s.customer("ada")
		s.logIn("ada", "web")
	})
}

func TestIdentifiersAreAddedAndRemoved(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		u := s.customer("ada", "old")
		u, err := s.updateUser(t.Context(), u, update{add: []string{"new"}, remove: []string{"old"}})
		if err != nil {
			t.Fatal(err)
		}
		if want := []string{"ada", "new"}; !slices.Equal(u.Identifiers, want) {
			t.Errorf("identifiers = %q, want %q", u.Identifiers, want)
		}
		s.customer("old")
		_, err = s.updateUser(t.Context(), u, update{add: []string{"other", "old"}})
		wantReason(t, "add what somebody else has by now", err, reasonTaken)
		s.customer("other")
		_, err = s.updateUser(t.Context(), u, update{remove: []string{"ada", "new"}})
		wantCode(t, "remove the last identifier", err, fault.BadRequest)
	})
}

func TestDeletedUser(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		u := s.customer("ada")
		o := s.logIn("ada", "web")
		if err := s.deleteUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		if s.works(o.token) {
			t.Error("the token of a deleted user works")
		}
		_, err := s.exchange(t.Context(), o.secret)
		wantCode(t, "exchange the session of a deleted user", err, fault.Unauthorized)
		_, err = s.try("ada", password, "web", "", "")
		wantReason(t, "log in as a deleted user", err, "kernel.login.wrong")
		s.customer("ada")
	})
}

func TestUsersAreListedInPages(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		want := map[string]bool{}
		for i := range 57 {
			u, err := s.createUser(t.Context(), newUser{"customer", []string{fmt.Sprint("user-", i)}, "", nil})
			if err != nil {
				t.Fatal(err)
			}
			want[u.ID] = true
		}
		s.administrator("root")
		next := ""
		for {
			page, more, err := s.users.list(t.Context(), "customer", next, 10)
			if err != nil || len(page) > 10 {
				t.Fatalf("a page of %d users: %v; want at most 10", len(page), err)
			}
			for _, u := range page {
				if !want[u.ID] {
					t.Errorf("%s is listed twice, or of another application", u.ID)
				}
				delete(want, u.ID)
			}
			if next = more; next == "" {
				break
			}
		}
		if len(want) > 0 {
			t.Errorf("%d of 57 users are not listed", len(want))
		}
		_, _, err := s.users.list(t.Context(), "customer", "nonsense", 10)
		wantCode(t, "a continuation from elsewhere", err, fault.BadRequest)
	})
}
