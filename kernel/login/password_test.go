package login

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/fault"
)

func TestPasswordRulesNameWhatIsBroken(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		s.configure("customer", `{"min_length": 10, "forbid": ["hansom"]}`)
		for _, c := range []struct{ application, password, rule string }{
			{"customer", "short", "short"},
			{"admin", "elevenchars", "short"},
			{"customer", "qwertyuiop", "common"},
			{"customer", "QWERTYUIOP", "common"},
			{"customer", strings.Repeat("x", 1025), "long"},
			{"customer", "iloveHANSOMcabs", "forbidden"},
			{"customer", "xxADAlovelacexx", "identifier"},
			{"customer", "a\x00bcdefghijklm", "text"},
		} {
			_, err := s.createUser(t.Context(), newUser{c.application, []string{"adalovelace@example.com"}, c.password, nil})
			wantReason(t, fmt.Sprintf("password %.20q", c.password), err, "kernel.login.password."+c.rule)
		}
		if _, err := s.createUser(t.Context(), newUser{"customer", []string{"ada"}, "only lower case words", nil}); err != nil {
			t.Errorf("a long password of letters only is refused: %v", err)
		}
	})
}

func TestPasswordHistory(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		s.configure("customer", `{"history": 2}`)
		u := s.customer("ada")
		next := func(password string) error {
			u, _, _ = s.users.byID(t.Context(), "customer", u.ID)
			return s.changePassword(t.Context(), u, password)
		}
		wantReason(t, "the present password again", next(password), "kernel.login.password.history")
		if err := next("the second password"); err != nil {
			t.Fatal(err)
		}
		wantReason(t, "the first password again", next(password), "kernel.login.password.history")
		if err := next("the third password"); err != nil {
			t.Fatal(err)
		}
		if err := next(password); err != nil {
			t.Errorf("the last but two, with a history of 2: %v", err)
		}
	})
}

func TestPasswordThatIsTooOld(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		s.configure("customer", `{"max_age": "24h"}`)
		u := s.customer("ada")
		pass(25 * time.Hour)
		_, err := s.try("ada", password, "web", "", "")
		wantReason(t, "log in with an old password", err, "kernel.login.password.expired")
		_, err = s.try("ada", "something wrong", "web", "", "")
		wantCode(t, "a wrong password of somebody whose password is old", err, fault.Unauthorized)
		if err := s.changePassword(t.Context(), u, "a password that is new"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.try("ada", "a password that is new", "web", "", ""); err != nil {
			t.Errorf("log in with the new password: %v", err)
		}
	})
}

func TestSettingsThatAreWrongLeaveTheLastOnesInForce(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		s.configure("customer", `{"min_length": 20}`)
		if got := s.settings.application("customer").MinLength; got != 20 {
			t.Fatalf("min_length = %d, want 20", got)
		}
		for _, wrong := range []string{`{"min_length": 0}`, `{"token": "9h"}`, `{"tokens": "1h"}`, `{"token": "soon"}`, `[]`} {
			s.configure("customer", wrong)
			if got := s.settings.application("customer").MinLength; got != 20 {
				t.Errorf("after %s min_length = %d, want 20 still", wrong, got)
			}
		}
	})
}

func TestDigestsAreReadAsWritten(t *testing.T) {
	d := cheap.digest("secret", []byte("0123456789abcdef"))
	got, err := parseDigest(d.String())
	if err != nil || got.String() != d.String() {
		t.Errorf("%s is read as %s: %v", d, got, err)
	}
	// Of the reference implementation: echo -n password | argon2 somesalt -id -t 2 -k 65536 -p 1
	const reference = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	right, _, err := newHasher(cheap).verify(background(), reference, "password")
	if err != nil || !right {
		t.Errorf("a hash of the reference implementation: %v, %v; want it to be right", right, err)
	}
	for _, bad := range []string{"", "$argon2i$v=19$m=8,t=1,p=1$AAAA$AAAA", "$argon2id$v=18$m=8,t=1,p=1$AAAA$AAAA", "$argon2id$v=19$m=0,t=1,p=1$AAAA$AAAA"} {
		if _, err := parseDigest(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestUnknownUsersHaveNoPassword(t *testing.T) {
	h := newHasher(cheap)
	for _, p := range []string{"", "x", h.decoy()} {
		if right, _, err := h.verify(background(), "", p); right || err != nil {
			t.Errorf("verify nothing against %q: %v, %v", p, right, err)
		}
	}
}

func TestUnknownUsersAreHashedLikeKnownOnes(t *testing.T) {
	h := newHasher(cheap)
	decoy, err := parseDigest(h.decoy())
	if err != nil || decoy.HashParams != h.params {
		t.Errorf("the decoy costs %+v (%v), a password %+v", decoy.HashParams, err, h.params)
	}
	for range cap(h.slots) {
		h.slots <- struct{}{}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, _, err = h.verify(ctx, "", "x")
	wantCode(t, "an unknown user, with no room to hash", err, fault.Unavailable)
}

func TestLoginRehashesWithTodaysCosts(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		u := s.customer("ada")
		s.hasher = newHasher(HashParams{MemoryKiB: 16, Passes: 1, Lanes: 1})
		s.logIn("ada", "web")
		after, _, err := s.users.byID(t.Context(), "customer", u.ID)
		if err != nil || !strings.Contains(after.Hash, "m=16,") {
			t.Errorf("the hash after a login is %s (%v), want it with m=16", after.Hash, err)
		}
		s.logIn("ada", "web")
	})
}

func TestHashingIsRefusedThatWouldWaitTooLong(t *testing.T) {
	h := newHasher(cheap)
	for range cap(h.slots) {
		h.slots <- struct{}{}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := h.hash(ctx, "x")
	wantCode(t, "hash while all places are taken", err, fault.Unavailable)
	h.mean.Store(int64(time.Hour))
	start := time.Now()
	ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = h.hash(ctx, "x")
	wantCode(t, "hash where the wait would be an hour", err, fault.Unavailable)
	if waited := time.Since(start); waited > 10*time.Second {
		t.Errorf("it was refused after %v, want at once", waited)
	}
}
