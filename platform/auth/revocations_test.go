package auth_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansom-platform/hansom/platform/auth"
)

func TestRevocations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for what, tt := range map[string]struct {
			revocation     auth.Revocation
			user, identity bool // refused
		}{
			"the session":                      {auth.Revocation{Session: "0199-session"}, true, false},
			"another session":                  {auth.Revocation{Session: "other"}, false, false},
			"the user":                         {auth.Revocation{User: "0199a1b2-c3d4"}, true, false},
			"the user, from before":            {auth.Revocation{User: "0199a1b2-c3d4", Before: time.Now()}, false, false},
			"the user, up to after":            {auth.Revocation{User: "0199a1b2-c3d4", Before: time.Now().Add(time.Millisecond)}, true, false},
			"the session of another user":      {auth.Revocation{Session: "0199-session", User: "other"}, false, false},
			"the caller":                       {auth.Revocation{Caller: "core.eta"}, false, true},
			"the caller at the audience":       {auth.Revocation{Caller: "core.eta", Audience: "core.routing"}, false, true},
			"the caller at another audience":   {auth.Revocation{Caller: "core.eta", Audience: "core.city"}, false, false},
			"all callers of the audience":      {auth.Revocation{Audience: "core.routing"}, false, true},
			"another caller":                   {auth.Revocation{Caller: "core.city"}, false, false},
			"nothing in particular":            {auth.Revocation{}, false, false},
			"one that is over":                 {auth.Revocation{Session: "0199-session", Expires: time.Now().Add(-time.Minute)}, false, false},
			"one that will be over":            {auth.Revocation{Session: "0199-session", Expires: time.Now().Add(time.Hour)}, true, false},
			"the user as if it were a service": {auth.Revocation{User: "0199a1b2-c3d4", Caller: "core.eta"}, false, false},
		} {
			for _, cached := range []bool{false, true} {
				o := newOffice(t, "local")
				user, identity := o.user(t), o.identity(t)
				if cached {
					_, _ = o.verifier.User(user)
					_, _ = o.verifier.Identity(identity, "core.routing")
				}
				o.verifier.Revoke(tt.revocation)
				for range 2 {
					_, err := o.verifier.User(user)
					wantReason(t, fmt.Sprintf("revoke %s, cached %t: user token", what, cached), err, reasonIf(tt.user))
					_, err = o.verifier.Identity(identity, "core.routing")
					wantReason(t, fmt.Sprintf("revoke %s, cached %t: identity token", what, cached), err, reasonIf(tt.identity))
				}
			}
		}
	})
}

func reasonIf(revoked bool) string {
	if revoked {
		return auth.ReasonRevoked
	}
	return ""
}

func TestRevocationsAreNumbered(t *testing.T) {
	o := newOffice(t, "local")
	session := func(n uint64) auth.Revocation {
		return auth.Revocation{Number: n, Session: fmt.Sprintf("s%d", n)}
	}
	want := func(last uint64, what string) {
		t.Helper()
		if got := o.verifier.LastRevocation(); got != last {
			t.Errorf("after %s the last one known is %d, want %d", what, got, last)
		}
	}
	o.verifier.Revoke(session(2), session(1))
	want(2, "1 and 2")
	o.verifier.Revoke(session(5))
	want(2, "5, which leaves a gap")
	if !o.verifier.Revoked("s5") {
		t.Errorf("a revocation beyond a gap is not in force")
	}
	o.verifier.Revoke(session(1), session(3), session(4), session(5))
	want(5, "the gap was filled")
	o.verifier.RevokedUpTo(8)
	want(8, "RevokedUpTo(8)")
	o.verifier.Revoke(session(9))
	want(9, "9")
}

func TestRevocationsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, "local")
		o.verifier.Revoke(auth.Revocation{Number: 1, Session: "s1", Expires: time.Now().Add(time.Minute)})
		time.Sleep(2 * time.Minute)
		o.verifier.Revoke(auth.Revocation{Number: 2, Session: "s2"})
		if o.verifier.Revoked("s1") || !o.verifier.Revoked("s2") {
			t.Errorf("s1 is revoked: %t, s2: %t; want the first forgotten, of which no token can be alive", o.verifier.Revoked("s1"), o.verifier.Revoked("s2"))
		}
	})
}

func TestOneMoreRevocationCostsTheSameAmongMany(t *testing.T) {
	o := newOffice(t, "local")
	n := uint64(0)
	revoke := func() {
		n++
		o.verifier.Revoke(auth.Revocation{Number: n, Session: fmt.Sprint("s", n), Expires: time.Now().Add(time.Hour)})
	}
	for range 20_000 {
		revoke()
	}
	if got := testing.AllocsPerRun(100, revoke); got > 20 {
		t.Errorf("one more of 20000 revocations took %.0f allocations, want no more than the first", got)
	}
	if !o.verifier.Revoked("s1") || o.verifier.LastRevocation() != n {
		t.Errorf("the first is revoked: %t, last %d; want true, %d", o.verifier.Revoked("s1"), o.verifier.LastRevocation(), n)
	}
}
