package login

import (
	"testing"
	"time"

	"github.com/hansom-platform/hansom/fault"
)

func TestNewestSessionOfADeviceTypeWins(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		s.customer("ada")
		phone, first := s.logIn("ada", "ios"), s.logIn("ada", "web")
		if !s.works(first.token) {
			t.Fatal("the first token does not work")
		}
		second := s.logIn("ada", "web")
		if s.works(first.token) {
			t.Error("the token of the older session works")
		}
		if _, err := s.exchange(t.Context(), first.secret); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("exchange of the older session: %v, want Unauthorized", err)
		}
		for _, o := range []opened{phone, second} {
			if !s.works(o.token) {
				t.Errorf("the token of the session on %s does not work", o.Device)
			}
		}
	})
}

func TestOfManyLoginsAtOnceOneSessionIsLeft(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		u := s.customer("ada")
		all := make([]opened, 12)
		atOnce(len(all), func(i int) {
			var err error
			if all[i], err = s.open(t.Context(), u, "web", "", ""); err != nil {
				t.Errorf("open: %v", err)
			}
		})
		working, exchanged := 0, 0
		for _, o := range all {
			if s.works(o.token) {
				working++
			}
			if _, err := s.exchange(t.Context(), o.secret); err == nil {
				exchanged++
			}
		}
		if working != 1 || exchanged != 1 {
			t.Errorf("of 12 sessions %d tokens work and %d can be exchanged, want 1 and 1", working, exchanged)
		}
	})
}

func TestUserHasNotMoreSessionsThanTheLimit(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		u := s.customer("ada")
		for i := range maxOpen + 5 {
			if _, err := s.open(t.Context(), u, "device-"+string(rune('a'+i)), "", ""); err != nil {
				t.Fatal(err)
			}
			pass(time.Second)
		}
		all, err := s.sessions.of(t.Context(), "customer", u.ID)
		if err != nil || len(all) != maxOpen || all[0].Device != "device-f" {
			t.Errorf("%d sessions, the oldest on %q (%v); want %d, device-f", len(all), all[0].Device, err, maxOpen)
		}
	})
}

func TestExchangeGivesOneTokenUntilItIsTimeForTheNext(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		s.customer("ada")
		o := s.logIn("ada", "web")
		other := &site{realm: sibling(s), t: t, verifier: s.verifier}
		other.look()
		pass(maxToken - renewWithin - 2*time.Second)
		for i, one := range []*site{s, other} {
			got, err := one.exchange(t.Context(), o.secret)
			if err != nil || got.token != o.token {
				t.Errorf("instance %d gives another token before the last half hour: %v", i, err)
			}
		}
		pass(3 * time.Second)
		next, err := s.exchange(t.Context(), o.secret)
		if err != nil || next.token == o.token {
			t.Fatalf("in the last half hour: the same token is %v, %v; want a new one", next.token == o.token, err)
		}
		if got, err := other.exchange(t.Context(), o.secret); err != nil || got.token != next.token {
			t.Errorf("the other instance gives another new token: %v", err)
		}
		if !s.works(o.token) || !s.works(next.token) {
			t.Error("old and new token do not both work")
		}
		pass(maxToken + time.Minute)
		_, err = s.exchange(t.Context(), o.secret)
		wantCode(t, "exchange after nobody renewed", err, fault.Unauthorized)
	})
}

func TestRenewalEndsAfterThirtyDays(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		s.customer("ada")
		o := s.logIn("ada", "web")
		start := time.Now()
		for time.Since(start) < maxSession+24*time.Hour {
			got, err := s.exchange(t.Context(), o.secret)
			if err != nil {
				break
			}
			if end := got.Token.Expires.Sub(start); end > maxSession {
				t.Fatalf("a token lives until %v after the login, want at most %v", end, maxSession)
			}
			pass(10 * time.Minute)
			s.look()
		}
		if lived := time.Since(start).Round(time.Hour); lived != maxSession {
			t.Errorf("the session was renewed for %v, want %v", lived, maxSession)
		}
	})
}

func TestSessionOfAnAdministratorIsNotRenewed(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		o, err := s.open(t.Context(), s.administrator("root"), "cli", "", "")
		if err != nil {
			t.Fatal(err)
		}
		pass(maxToken - time.Minute)
		got, err := s.exchange(t.Context(), o.secret)
		if err != nil || got.token != o.token || !got.renewAfter().IsZero() {
			t.Errorf("a minute before the end: the same token %v, renewed after %v, %v; want the same, never", got.token == o.token, got.renewAfter(), err)
		}
		pass(2 * time.Minute)
		_, err = s.exchange(t.Context(), o.secret)
		wantCode(t, "exchange after the end", err, fault.Unauthorized)
	})
}

func TestLifetimesAreConfigured(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		s.configure("customer", `{"token": "10m", "idle": "24h", "session": "48h"}`)
		s.customer("ada")
		o := s.logIn("ada", "web")
		if got := o.Token.Expires.Sub(o.Token.Issued); got != 10*time.Minute {
			t.Errorf("the token lives %v, want 10m", got)
		}
		pass(20 * time.Hour)
		next, err := s.exchange(t.Context(), o.secret)
		if err != nil || !s.works(next.token) {
			t.Fatalf("exchange of a session that idled 20 of 24 hours: %v", err)
		}
		pass(29 * time.Hour)
		_, err = s.exchange(t.Context(), o.secret)
		wantCode(t, "exchange after the longest life", err, fault.Unauthorized)
	})
}

func TestRenewalBringsNewRoles(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		u := s.customer("ada")
		o := s.logIn("ada", "web")
		if _, err := s.updateUser(t.Context(), u, update{setRoles: true, roles: []string{"CUSTOMER", "VIP"}}); err != nil {
			t.Fatal(err)
		}
		if !s.works(o.token) {
			t.Error("more roles ended the session")
		}
		pass(maxToken - 10*time.Minute)
		next, err := s.exchange(t.Context(), o.secret)
		if err != nil {
			t.Fatal(err)
		}
		who, err := s.verifier.User(next.token)
		if err != nil || !who.Has("VIP") {
			t.Errorf("the renewed token is of %+v, %v; want the new role", who, err)
		}
	})
}

func TestWhatTakesRightsAwayEndsSessions(t *testing.T) {
	for name, c := range map[string]update{
		"fewer roles": {setRoles: true}, "a new password": {password: "some other password"}, "disabled": {setDisabled: true, disabled: true},
	} {
		t.Run(name, func(t *testing.T) {
			inRealm(t, func(t *testing.T, s *site) {
				u := s.customer("ada")
				o := s.logIn("ada", "web")
				if _, err := s.updateUser(t.Context(), u, c); err != nil {
					t.Fatal(err)
				}
				if s.works(o.token) {
					t.Error("the token still works")
				}
				_, err := s.exchange(t.Context(), o.secret)
				wantCode(t, "exchange", err, fault.Unauthorized)
			})
		})
	}
}

func TestRepeatingAChangeThatWasCutShortEndsSessions(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		u := s.customer("ada")
		o := s.logIn("ada", "web")
		if _, _, err := s.users.change(t.Context(), u.Application, u.ID, update{setRoles: true}.apply); err != nil {
			t.Fatal(err)
		}
		if !s.works(o.token) {
			t.Fatal("want the token to work still, as after a change that was cut short")
		}
		if _, err := s.updateUser(t.Context(), u, update{setRoles: true}); err != nil {
			t.Fatal(err)
		}
		if s.works(o.token) {
			t.Error("the token still has the lost role")
		}
	})
}

func TestLoginThatRacesWithDisablingLeavesNoSession(t *testing.T) {
	for range 20 {
		inRealm(t, func(t *testing.T, s *site) {
			u := s.customer("ada")
			var o opened
			atOnce(2, func(i int) {
				if i == 0 {
					o, _ = s.open(t.Context(), u, "web", "", "")
				} else if _, err := s.updateUser(t.Context(), u, update{setDisabled: true, disabled: true}); err != nil {
					t.Error(err)
				}
			})
			if o.token != "" && s.works(o.token) {
				t.Error("a session opened while the user was disabled works")
			}
		})
	}
}

func TestSessionIDsAreNotGuessable(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		s.customer("ada")
		o := s.logIn("ada", "web")
		last := o.secret[len(o.secret)-1]
		for name, id := range map[string]string{
			"empty": "", "the public id": o.ID, "the digest": sessionPrefix + o.Digest, "cut": o.secret[:len(o.secret)-1],
			"altered": o.secret[:10] + "A" + o.secret[11:], "other spare bits": o.secret[:len(o.secret)-1] + string(last+1),
		} {
			if id == o.secret {
				continue
			}
			_, err := s.exchange(t.Context(), id)
			wantCode(t, name, err, fault.Unauthorized)
		}
	})
}
