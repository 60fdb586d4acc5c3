package auth_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform/auth"
)

// office is an environment's root and signer, and a verifier that knows both.
type office struct {
	root     *auth.Root
	key      ed25519.PrivateKey
	signer   *auth.Signer
	verifier *auth.Verifier
}

const kid = "k1"

func newOffice(t testing.TB, environment string) *office {
	t.Helper()
	root, err := auth.NewRoot(environment, []byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	o := &office{root: root, key: key, signer: auth.NewSigner(environment, key, kid), verifier: auth.NewVerifier(root.PublicKey(), environment)}
	o.publish(t, map[string]ed25519.PublicKey{kid: key.Public().(ed25519.PublicKey)})
	return o
}

// publish has the verifier learn of a new key set.
func (o *office) publish(t testing.TB, keys map[string]ed25519.PublicKey) {
	t.Helper()
	set, err := o.root.KeySet(keys)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.verifier.SetKeys(set); err != nil {
		t.Fatal(err)
	}
}

func customer() *auth.User {
	now := time.Now()
	return &auth.User{
		ID: "0199a1b2-c3d4", Application: "customer", Session: "0199-session", Device: "web",
		Roles: []string{"CUSTOMER", "TESTER.BETA"}, Issued: now, Expires: now.Add(time.Hour),
	}
}

func taxi() *auth.Identity {
	now := time.Now()
	return &auth.Identity{
		Service: "core.eta", Instance: "core.eta-0199", Audience: "core.routing", Grants: []string{"dump"},
		Issued: now, Expires: now.Add(time.Hour),
	}
}

func (o *office) user(t testing.TB, change ...func(*auth.User)) string {
	t.Helper()
	u := customer()
	for _, c := range change {
		c(u)
	}
	return must(o.signer.User(u))(t)
}

func (o *office) identity(t testing.TB, change ...func(*auth.Identity)) string {
	t.Helper()
	i := taxi()
	for _, c := range change {
		c(i)
	}
	return must(o.signer.Identity(i))(t)
}

// must returns a token, or fails the test where there is none.
func must(token string, err error) func(testing.TB) string {
	return func(t testing.TB) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
}

// forge makes a token of any header and claims, JSON both, signed with key.
func forge(header, claims string, key ed25519.PrivateKey) string {
	input := encode([]byte(header)) + "." + encode([]byte(claims))
	return input + "." + encode(ed25519.Sign(key, []byte(input)))
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

const userHeader = `{"alg":"EdDSA","kid":"k1","typ":"user+jwt"}`

// claims returns those of customer's token as JSON, changed: a nil value takes one away.
func claims(t testing.TB, changes map[string]any) string {
	t.Helper()
	now := time.Now().Unix()
	all := map[string]any{
		"iss": "local", "sub": "u1", "app": "customer", "sid": "s1", "roles": []string{"CUSTOMER"},
		"iat": now, "exp": now + 3600,
	}
	for name, v := range changes {
		if all[name] = v; v == nil {
			delete(all, name)
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func wantReason(t testing.TB, what string, err error, reason string) {
	t.Helper()
	if got := fault.ReasonOf(err); got != reason {
		t.Errorf("%s: got %v, want %q", what, err, reason)
	}
}
