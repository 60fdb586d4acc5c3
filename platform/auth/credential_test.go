package auth_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform/auth"
)

func enrol(t *testing.T, o *office, service string) *auth.Credential {
	t.Helper()
	c, err := o.root.Enrol(service, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return &c
}

func TestARootIsMadeOfItsMasterAndEnvironment(t *testing.T) {
	master := bytes.Repeat([]byte{7}, auth.MasterSize)
	root := func(environment string, master []byte) string {
		r, err := auth.NewRoot(environment, master)
		if err != nil {
			t.Fatal(err)
		}
		return string(r.PublicKey())
	}
	first := root("local", master)
	if root("local", master) != first {
		t.Errorf("the same master and environment make two roots")
	}
	if root("staging", master) == first || root("local", bytes.Repeat([]byte{8}, auth.MasterSize)) == first {
		t.Errorf("another master or environment makes the same root")
	}
	for environment, size := range map[string]int{"": auth.MasterSize, "local": 31} {
		if _, err := auth.NewRoot(environment, make([]byte, size)); err == nil {
			t.Errorf("NewRoot(%q, %d bytes) succeeded", environment, size)
		}
	}
}

func TestCredentialsAreReadBack(t *testing.T) {
	o := newOffice(t, "local")
	want := enrol(t, o, "core.eta")
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "core.eta.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, file} {
		got, err := auth.ReadCredential(path, "core.eta")
		if err != nil || got.Service != "core.eta" || got.Environment != "local" || !got.Key.Equal(want.Key) || !got.Root.Equal(want.Root) {
			t.Errorf("ReadCredential(%s) = %+v, %v; want what was written", path, got, err)
		}
	}
	_, err = auth.ReadCredential(file, "core.city")
	wantReason(t, "another service's file", err, "platform.auth.bad_credential")
	_, err = auth.ReadCredential(dir, "core.city")
	wantReason(t, "a service without a file", err, "platform.auth.no_credential")
}

func TestCredentialsAreChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, another := newOffice(t, "local"), newOffice(t, "staging")
		good, other, foreign := enrol(t, o, "core.eta"), enrol(t, o, "core.city"), enrol(t, another, "core.eta")
		for what, change := range map[string]func(*auth.Credential){
			"another's key":               func(c *auth.Credential) { c.Key = other.Key },
			"another's certificate":       func(c *auth.Credential) { c.Certificate = other.Certificate },
			"another's name":              func(c *auth.Credential) { c.Service = "core.city" },
			"another environment":         func(c *auth.Credential) { c.Environment = "staging" },
			"another root":                func(c *auth.Credential) { c.Root = foreign.Root },
			"a certificate of a stranger": func(c *auth.Credential) { c.Certificate = foreign.Certificate },
			"no certificate":              func(c *auth.Credential) { c.Certificate = "" },
			"no root":                     func(c *auth.Credential) { c.Root = nil },
		} {
			bad := *good
			change(&bad)
			wantReason(t, what, bad.Check(), "platform.auth.bad_credential")
		}
		if err := good.Check(); err != nil {
			t.Errorf("a good credential: %v", err)
		}
		time.Sleep(25 * time.Hour)
		wantReason(t, "an expired certificate", good.Check(), "platform.auth.bad_credential")
	})
}

func TestBrokenCredentialsAreNotRead(t *testing.T) {
	for _, text := range []string{
		"", "{}", "[]", `{"root":"AA","key":"AA"}`, `{"root":"` + encode(make([]byte, 32)) + `","key":"!"}`,
	} {
		if err := json.Unmarshal([]byte(text), new(auth.Credential)); err == nil {
			t.Errorf("%s was read as a credential", text)
		}
	}
}

func TestAssertions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, another := newOffice(t, "local"), newOffice(t, "staging")
		c := enrol(t, o, "core.eta")
		text := must(c.Assertion("core.eta-1", "kernel.login-1"))(t)
		service, instance, err := o.verifier.Assertion(text, "kernel.login-1")
		if err != nil || service != "core.eta" || instance != "core.eta-1" {
			t.Errorf("the assertion says %q %q, %v; want core.eta core.eta-1", service, instance, err)
		}
		refused := func(what, text, audience, reason string) {
			t.Helper()
			_, _, err := o.verifier.Assertion(text, audience)
			wantReason(t, what, err, reason)
		}
		refused("at another login", text, "kernel.login-2", auth.ReasonAudience)
		refused("at nobody", text, "", auth.ReasonAudience)
		liar := *c
		liar.Service = "kernel.config"
		refused("about another service", must(liar.Assertion("kernel.config-1", "kernel.login-1"))(t), "kernel.login-1", auth.ReasonMalformed)
		thief := *c
		thief.Certificate = enrol(t, o, "kernel.config").Certificate
		refused("with another's certificate", must(thief.Assertion("x", "kernel.login-1"))(t), "kernel.login-1", auth.ReasonSignature)
		foreign := enrol(t, another, "core.eta")
		refused("of another environment", must(foreign.Assertion("core.eta-1", "kernel.login-1"))(t), "kernel.login-1", auth.ReasonSignature)
		bare := *c
		bare.Certificate = ""
		refused("without a certificate", must(bare.Assertion("core.eta-1", "kernel.login-1"))(t), "kernel.login-1", auth.ReasonMalformed)
		time.Sleep(66 * time.Second)
		refused("an old one", text, "kernel.login-1", auth.ReasonExpired)
	})
}

func TestStatements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, "local")
		keys, list := o.verifier.Keys(), []byte("revocations")
		want := auth.Statement{Instance: "kernel.login-1", At: time.Now(), LastRevocation: 1<<63 + 1, Digest: auth.DigestOf(keys, list)}
		text := must(o.signer.Statement(want))(t)
		fresh := auth.NewVerifier(o.root.PublicKey(), "local")
		_, err := fresh.Announced(keys, text, []byte("other revocations"))
		wantReason(t, "with other revocations", err, auth.ReasonMalformed)
		_, err = fresh.Announced(keys, text+"x", list)
		if err == nil || fresh.HasKeys() {
			t.Errorf("with a statement that does not hold: %v, and keys taken over is %t; want an error and no keys", err, fresh.HasKeys())
		}
		got, err := fresh.Announced(keys, text, list)
		if err != nil || got.Instance != want.Instance || got.LastRevocation != want.LastRevocation || !got.At.Equal(want.At) {
			t.Errorf("the statement says %+v, %v; want %+v", got, err, want)
		}
		time.Sleep(66 * time.Second)
		_, err = o.verifier.Announced(keys, text, list)
		wantReason(t, "an old one", err, auth.ReasonExpired)
	})
}

func TestSignersRefuseWhatIsNoClaim(t *testing.T) {
	o := newOffice(t, "local")
	for what, change := range map[string]func(*auth.User){
		"no id":           func(u *auth.User) { u.ID = "" },
		"no session":      func(u *auth.User) { u.Session = "" },
		"no application":  func(u *auth.User) { u.Application = "" },
		"id with a space": func(u *auth.User) { u.ID = "a b" },
		"a bad role":      func(u *auth.User) { u.Roles = []string{"admin"} },
		"too long a life": func(u *auth.User) { u.Expires = u.Issued.Add(auth.MaxUserLife + time.Second) },
		"no life":         func(u *auth.User) { u.Expires = u.Issued },
		"no issue":        func(u *auth.User) { u.Issued = time.Time{} },
		"too much":        func(u *auth.User) { u.Device = string(bytes.Repeat([]byte("x"), auth.MaxToken)) },
	} {
		u := customer()
		change(u)
		if _, err := o.signer.User(u); !fault.Is(err, fault.BadRequest) {
			t.Errorf("a user with %s: %v, want BAD_REQUEST", what, err)
		}
	}
	long := taxi()
	long.Expires = long.Issued.Add(2 * time.Hour)
	if _, err := o.signer.Identity(long); !fault.Is(err, fault.BadRequest) {
		t.Errorf("an identity for two hours: %v, want BAD_REQUEST", err)
	}
	if _, err := o.root.KeySet(map[string]ed25519.PublicKey{"k1": nil}); !fault.Is(err, fault.BadRequest) {
		t.Errorf("a key set with an empty key: %v, want BAD_REQUEST", err)
	}
}

func TestACredentialIsNotLogged(t *testing.T) {
	o := newOffice(t, "local")
	c, err := o.root.Enrol("core.eta", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "by value", c, "by pointer", &c)
	text := log.String() + fmt.Sprintf("%v %+v %s", c, c, &c)
	seed := base64.RawURLEncoding.EncodeToString(c.Key.Seed())
	if strings.Contains(text, seed) || strings.Contains(text, fmt.Sprint(c.Key)) || strings.Contains(text, c.Certificate) {
		t.Errorf("the key or certificate is in %s", text)
	}
}

func TestACredentialWithoutKeyIsRefused(t *testing.T) {
	o := newOffice(t, "local")
	c, err := o.root.Enrol("core.eta", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	c.Key = nil
	wantReason(t, "check", c.Check(), "platform.auth.bad_credential")
	if _, err := json.Marshal(c); err == nil {
		t.Errorf("a credential without key was written, want an error")
	}
}
