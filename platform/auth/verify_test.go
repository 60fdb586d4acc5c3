package auth_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform/auth"
)

var sameTime = cmpopts.EquateApproxTime(time.Microsecond)

func TestUserTokensSayWhatWasSigned(t *testing.T) {
	o := newOffice(t, "local")
	want := customer()
	want.Actor = "administrator"
	token := must(o.signer.User(want))(t)
	for _, when := range []string{"first", "from the cache"} {
		got, err := o.verifier.User(token)
		if diff := cmp.Diff(want, got, sameTime); err != nil || diff != "" {
			t.Errorf("%s: %v, claims (-want +got):\n%s", when, err, diff)
		}
	}
	if got := auth.SessionOf(token); got != want.Session {
		t.Errorf("SessionOf = %q, want %q", got, want.Session)
	}
}

// TestTokensAreThoseOfTheStandard reads a token with the library that has no part in
// reading them here.
func TestTokensAreThoseOfTheStandard(t *testing.T) {
	o := newOffice(t, "local")
	token := o.user(t)
	payload, err := jws.Verify([]byte(token), jws.WithKey(jwa.EdDSA(), o.key.Public()))
	if err != nil || !strings.Contains(string(payload), `"sid":"0199-session"`) {
		t.Errorf("jwx reads %s, %v; want the claims", payload, err)
	}
	set, err := jwk.Parse(o.verifier.JWKS())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jws.Verify([]byte(token), jws.WithKeySet(set)); err != nil {
		t.Errorf("jwx verifies with the JWKS %s: %v", o.verifier.JWKS(), err)
	}
}

func TestIdentityTokensSayWhatWasSigned(t *testing.T) {
	o := newOffice(t, "local")
	want := taxi()
	token := must(o.signer.Identity(want))(t)
	for _, when := range []string{"first", "from the cache"} {
		got, err := o.verifier.Identity(token, "core.routing")
		if diff := cmp.Diff(want, got, sameTime); err != nil || diff != "" {
			t.Errorf("%s: %v, claims (-want +got):\n%s", when, err, diff)
		}
		_, err = o.verifier.Identity(token, "core.city")
		wantReason(t, when+", at another service", err, auth.ReasonAudience)
	}
}

// TestATokenAlteredInAnyByteIsRefused replaces every byte by every other one.
func TestATokenAlteredInAnyByteIsRefused(t *testing.T) {
	o := newOffice(t, "local")
	for kind, token := range map[string]string{"user": o.user(t), "identity": o.identity(t)} {
		for i := range token {
			for _, other := range others(token[i]) {
				altered := token[:i] + string([]byte{other}) + token[i+1:]
				_, asUser := o.verifier.User(altered)
				_, asIdentity := o.verifier.Identity(altered, "core.routing")
				if !fault.Is(asUser, fault.Unauthorized) || !fault.Is(asIdentity, fault.Unauthorized) {
					t.Fatalf("%s token with byte %d changed from %q to %q was accepted", kind, i, token[i], other)
				}
			}
		}
	}
}

// others are the bytes that differ from b in one bit, and what decoders take for
// nothing or for another spelling.
func others(b byte) []byte {
	all := []byte{'\n', '\r', ' ', '=', '+', '/', '.', 0}
	for bit := range 8 {
		all = append(all, b^1<<bit)
	}
	kept := all[:0]
	for _, o := range all {
		if o != b {
			kept = append(kept, o)
		}
	}
	return kept
}

func TestATokenWithMoreOrLessIsRefused(t *testing.T) {
	o := newOffice(t, "local")
	token := o.user(t)
	for _, altered := range []string{
		"", ".", "..", "...", " ", token + "=", token + "\n", "\n" + token, token + ".", "." + token, token + " ", token + "A",
		token[:len(token)-1], token[1:], strings.Replace(token, ".", ".\n", 1), strings.Replace(token, ".", "..", 1),
		"Bearer " + token, token + token, strings.Repeat("A", auth.MaxToken+1), strings.Repeat(".", 1<<20),
	} {
		if _, err := o.verifier.User(altered); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("%.60q…: %v, want UNAUTHORIZED", altered, err)
		}
	}
}

func TestForgedTokens(t *testing.T) {
	o := newOffice(t, "local")
	now := time.Now().Unix()
	_, stranger, _ := ed25519.GenerateKey(nil)
	header := func(alg, kid, typ string) string {
		return `{"alg":"` + alg + `","kid":"` + kid + `","typ":"` + typ + `"}`
	}
	good := claims(t, nil)
	with := func(name string, v any) string { return forge(userHeader, claims(t, map[string]any{name: v}), o.key) }
	unsigned := encode([]byte(header("none", kid, "user+jwt"))) + "." + encode([]byte(good)) + "."
	tests := []struct{ what, token, reason string }{
		{"as it should be", forge(userHeader, good, o.key), ""},
		{"expired", forge(userHeader, claims(t, map[string]any{"iat": now - 3600, "exp": now - 6}), o.key), auth.ReasonExpired},
		{"expired within the leeway", forge(userHeader, claims(t, map[string]any{"iat": now - 3600, "exp": now - 3}), o.key), ""},
		{"issued in the future", with("iat", now+10), auth.ReasonNotYet},
		{"issued in the future, within the leeway", with("iat", now+3), ""},
		{"not yet valid", with("nbf", now+10), auth.ReasonNotYet},
		{"signed by another key", forge(userHeader, good, stranger), auth.ReasonSignature},
		{"of an unknown key", forge(header("EdDSA", "k2", "user+jwt"), good, stranger), auth.ReasonUnknownKey},
		{"without a key id", forge(`{"alg":"EdDSA","typ":"user+jwt"}`, good, o.key), auth.ReasonUnknownKey},
		{"with a key of its own", forge(`{"alg":"EdDSA","kid":"k1","typ":"user+jwt","jwk":{"kty":"OKP"}}`, good, o.key), auth.ReasonMalformed},
		{"with a place to fetch keys", forge(`{"alg":"EdDSA","kid":"k1","typ":"user+jwt","jku":"https://example.com"}`, good, o.key), auth.ReasonMalformed},
		{"with something critical", forge(`{"alg":"EdDSA","kid":"k1","typ":"user+jwt","crit":["exp"]}`, good, o.key), auth.ReasonMalformed},
		{"with an unencoded payload", forge(`{"alg":"EdDSA","kid":"k1","typ":"user+jwt","b64":false}`, good, o.key), auth.ReasonMalformed},
		{"alg none", unsigned, auth.ReasonAlgorithm},
		{"alg none, with a signature", forge(header("none", kid, "user+jwt"), good, o.key), auth.ReasonAlgorithm},
		{"alg None", forge(header("None", kid, "user+jwt"), good, o.key), auth.ReasonAlgorithm},
		{"alg eddsa", forge(header("eddsa", kid, "user+jwt"), good, o.key), auth.ReasonAlgorithm},
		{"alg missing", forge(`{"kid":"k1","typ":"user+jwt"}`, good, o.key), auth.ReasonAlgorithm},
		{"alg HS256 with the public key as the secret", hs256(header("HS256", kid, "user+jwt"), good, o.key.Public().(ed25519.PublicKey)), auth.ReasonAlgorithm},
		{"alg HS256 with 64 bytes", forge(header("HS256", kid, "user+jwt"), good, o.key), auth.ReasonAlgorithm},
		{"alg RS256", rs256(t, good), auth.ReasonAlgorithm},
		{"alg RS256 with 64 bytes", forge(header("RS256", kid, "user+jwt"), good, o.key), auth.ReasonAlgorithm},
		{"alg ES256", forge(header("ES256", kid, "user+jwt"), good, o.key), auth.ReasonAlgorithm},
		{"of another environment", with("iss", "production"), auth.ReasonEnviron},
		{"of no environment", with("iss", nil), auth.ReasonEnviron},
		{"of another type", forge(header("EdDSA", kid, "identity+jwt"), good, o.key), auth.ReasonType},
		{"of an upper-case type", forge(header("EdDSA", kid, "USER+JWT"), good, o.key), auth.ReasonType},
		{"of no type", forge(`{"alg":"EdDSA","kid":"k1"}`, good, o.key), auth.ReasonType},
		{"of the general type", forge(header("EdDSA", kid, "JWT"), good, o.key), auth.ReasonType},
		{"a missing subject", with("sub", nil), auth.ReasonMalformed},
		{"a missing session", with("sid", nil), auth.ReasonMalformed},
		{"a missing application", with("app", nil), auth.ReasonMalformed},
		{"a missing issue", with("iat", nil), auth.ReasonMalformed},
		{"a missing expiry", with("exp", nil), auth.ReasonMalformed},
		{"an expiry of null", forge(userHeader, strings.Replace(good, `"exp":`, `"exp":null,"x":`, 1), o.key), auth.ReasonMalformed},
		{"an expiry that is a string", with("exp", "9999999999"), auth.ReasonMalformed},
		{"an expiry out of range", with("exp", 1e30), auth.ReasonMalformed},
		{"an actor without a name", with("act", map[string]any{}), auth.ReasonMalformed},
		{"longer than eight hours", with("exp", now+9*3600), auth.ReasonMalformed},
		{"a role that is none", with("roles", []string{"ADMIN", "adm in"}), auth.ReasonMalformed},
		{"roles that are a string", with("roles", "ADMIN"), auth.ReasonMalformed},
		{"a subject with a line break", with("sub", "u1\nh2-token: x"), auth.ReasonMalformed},
		{"duplicate claims", forge(userHeader, strings.Replace(good, `"sub":`, `"sub":"u2","sub":`, 1), o.key), auth.ReasonMalformed},
		{"a claim twice in other letters", forge(userHeader, strings.Replace(good, `"sub":`, `"SUB":"u2","sub":`, 1), o.key), auth.ReasonMalformed},
		{"a claim spelled with an escape", forge(userHeader, strings.Replace(good, `"sub":`, `"s\u0075b":"u2","sub":`, 1), o.key), auth.ReasonMalformed},
		{"duplicate header members", forge(`{"alg":"none","alg":"EdDSA","kid":"k1","typ":"user+jwt"}`, good, o.key), auth.ReasonMalformed},
		{"a header member twice in other letters", forge(`{"ALG":"none","alg":"EdDSA","kid":"k1","typ":"user+jwt"}`, good, o.key), auth.ReasonMalformed},
		{"more after the header", forge(userHeader+"{}", good, o.key), auth.ReasonMalformed},
		{"more after the claims", forge(userHeader, good+"{}", o.key), auth.ReasonMalformed},
		{"claims that are a list", forge(userHeader, "[]", o.key), auth.ReasonMalformed},
		{"claims that are no JSON", forge(userHeader, "claims", o.key), auth.ReasonMalformed},
		{"a header that is null", forge("null", good, o.key), auth.ReasonAlgorithm},
		{"oversized", with("dev", strings.Repeat("x", auth.MaxToken)), auth.ReasonMalformed},
		{"empty", "", auth.ReasonMalformed},
		{"an identity token", o.identity(t), auth.ReasonType},
	}
	for _, tt := range tests {
		for range 2 { // refusals are not made good by a cache
			_, err := o.verifier.User(tt.token)
			wantReason(t, tt.what, err, tt.reason)
			if err != nil && fault.From(err).Message != "the token is not accepted" {
				t.Errorf("%s: the caller is told %q", tt.what, fault.From(err).Message)
			}
		}
	}
}

func hs256(header, claims string, secret []byte) string {
	input := encode([]byte(header)) + "." + encode([]byte(claims))
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + encode(mac.Sum(nil))
}

func rs256(t *testing.T, claims string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := jws.Sign([]byte(claims), jws.WithKey(jwa.RS256(), key))
	if err != nil {
		t.Fatal(err)
	}
	return string(signed)
}

func TestEveryTypeIsOnlyTakenForItself(t *testing.T) {
	o := newOffice(t, "local")
	credential, err := o.root.Enrol("core.eta", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	tokens := map[string]string{
		"user": o.user(t), "identity": o.identity(t), "key set": o.verifier.Keys(), "certificate": credential.Certificate,
		"assertion": must(credential.Assertion("core.eta-1", "kernel.login-1"))(t),
		"statement": must(o.signer.Statement(auth.Statement{
			Instance: "kernel.login-1", At: time.Now(), Digest: auth.DigestOf(o.verifier.Keys(), nil),
		}))(t),
	}
	takers := map[string]func(string) error{
		"user":      func(s string) error { _, err := o.verifier.User(s); return err },
		"identity":  func(s string) error { _, err := o.verifier.Identity(s, "core.routing"); return err },
		"key set":   auth.NewVerifier(o.root.PublicKey(), "local").SetKeys,
		"assertion": func(s string) error { _, _, err := o.verifier.Assertion(s, "kernel.login-1"); return err },
		"statement": func(s string) error { _, err := o.verifier.Announced(o.verifier.Keys(), s, nil); return err },
	}
	for kind, token := range tokens {
		for taker, take := range takers {
			want := auth.ReasonType
			if kind == taker {
				want = ""
			}
			wantReason(t, kind+" token taken as "+taker, take(token), want)
		}
	}
}

func TestTokensExpireInTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, "local")
		user, identity := o.user(t), o.identity(t)
		check := func(reason string) {
			t.Helper()
			_, err := o.verifier.User(user)
			wantReason(t, "user token", err, reason)
			_, err = o.verifier.Identity(identity, "core.routing")
			wantReason(t, "identity token", err, reason)
		}
		check("")
		time.Sleep(time.Hour + 4*time.Second)
		check("")
		time.Sleep(2 * time.Second)
		check(auth.ReasonExpired)
		check(auth.ReasonExpired)
	})
}

func TestKeysRotate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, "local")
		first := o.verifier.Keys()
		old := o.user(t)
		public, private, _ := ed25519.GenerateKey(nil)
		fresh := must(auth.NewSigner("local", private, "k2").User(customer()))(t)
		_, err := o.verifier.User(fresh)
		wantReason(t, "new key before it is known", err, auth.ReasonUnknownKey)
		time.Sleep(time.Second)
		o.publish(t, map[string]ed25519.PublicKey{kid: o.key.Public().(ed25519.PublicKey), "k2": public})
		for what, token := range map[string]string{"old": old, "fresh": fresh} {
			_, err := o.verifier.User(token)
			wantReason(t, what+" token with both keys", err, "")
		}
		time.Sleep(time.Second)
		o.publish(t, map[string]ed25519.PublicKey{"k2": public})
		_, err = o.verifier.User(old)
		wantReason(t, "token of a key that is gone", err, auth.ReasonUnknownKey)
		if err := o.verifier.SetKeys(first); err != nil {
			t.Errorf("an older key set: %v, want it ignored", err)
		}
		_, err = o.verifier.User(old)
		wantReason(t, "token of a key that is gone, after an older key set came again", err, auth.ReasonUnknownKey)
		_, err = o.verifier.User(fresh)
		wantReason(t, "fresh token", err, "")
	})
}

func TestBeforeKeysAreKnownTokensWait(t *testing.T) {
	o := newOffice(t, "local")
	v := auth.NewVerifier(o.root.PublicKey(), "local")
	_, err := v.User(o.user(t))
	if !fault.Is(err, fault.Unavailable) || fault.ReasonOf(err) != auth.ReasonNoKeys {
		t.Errorf("without keys: %v, want UNAVAILABLE %s", err, auth.ReasonNoKeys)
	}
	if string(v.JWKS()) != `{"keys":[]}` {
		t.Errorf("JWKS without keys is %s", v.JWKS())
	}
}

func TestKeySetsOfOthersAreRefused(t *testing.T) {
	o := newOffice(t, "local")
	for what, tt := range map[string]struct{ environment, master, reason string }{
		"another master":      {"local", "another master of 32 bytes length", auth.ReasonSignature},
		"another environment": {"staging", "0123456789abcdef0123456789abcdef", auth.ReasonSignature},
	} {
		root, err := auth.NewRoot(tt.environment, []byte(tt.master)[:auth.MasterSize])
		if err != nil {
			t.Fatal(err)
		}
		set := must(root.KeySet(map[string]ed25519.PublicKey{"k9": o.root.PublicKey()}))(t)
		wantReason(t, what, o.verifier.SetKeys(set), tt.reason)
	}
}
