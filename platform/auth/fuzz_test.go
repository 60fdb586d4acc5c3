package auth_test

import (
	"strings"
	"testing"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform/auth"
)

// FuzzToken checks that nothing is accepted but what was signed, and that nothing
// that may come does harm.
func FuzzToken(f *testing.F) {
	o := newOffice(f, "local")
	signed := map[string]bool{}
	for _, token := range []string{o.user(f), o.identity(f)} {
		signed[token] = true
		f.Add(token)
		f.Add(token + "=")
		f.Add(strings.ToUpper(token))
		f.Add(token[:len(token)-3])
	}
	f.Add(o.verifier.Keys())
	f.Add(forge(userHeader, claims(f, map[string]any{"iat": nil}), o.key)[:80])
	f.Fuzz(func(t *testing.T, token string) {
		_, asUser := o.verifier.User(token)
		_, asIdentity := o.verifier.Identity(token, "core.routing")
		if (asUser == nil || asIdentity == nil) && !signed[token] {
			t.Errorf("%q was accepted and not signed", token)
		}
		_, _, asAssertion := o.verifier.Assertion(token, "core.routing")
		_, asStatement := o.verifier.Announced(o.verifier.Keys(), token, nil)
		for _, err := range []error{asUser, asIdentity, asAssertion, asStatement} {
			if err != nil && !fault.Is(err, fault.Unauthorized) {
				t.Errorf("%q: %v, want UNAUTHORIZED", token, err)
			}
		}
		if session := auth.SessionOf(token); session != "" && !auth.ValidIdentifier(session) {
			t.Errorf("%q: SessionOf is %q", token, session)
		}
	})
}

// FuzzClaims has the authority itself sign whatever may come: what is accepted is good
// in form, and nothing makes the verifier panic.
func FuzzClaims(f *testing.F) {
	o := newOffice(f, "local")
	f.Add(userHeader, claims(f, nil))
	f.Add(userHeader, claims(f, map[string]any{"act": map[string]any{"sub": "a"}}))
	f.Add(userHeader, `{"iss":"local","iss":"local"}`)
	f.Add(userHeader, `{"iat":1.5,"exp":99999999999999999999,"a":[{"b":"\"}"}]}`)
	f.Add(`{"alg":"EdDSA","kid":"k1","typ":"user+jwt","ALG":"none"}`, `[]`)
	f.Add(`{"alg":"none"}`, `null`)
	f.Fuzz(func(t *testing.T, header, claims string) {
		u, err := o.verifier.User(forge(header, claims, o.key))
		if err != nil {
			return
		}
		if !auth.ValidIdentifier(u.ID) || !auth.ValidIdentifier(u.Session) || u.Expires.Sub(u.Issued) > auth.MaxUserLife {
			t.Errorf("%s %s was accepted as %+v", header, claims, u)
		}
	})
}
