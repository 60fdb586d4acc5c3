package auth

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/hansom-platform/hansom/fault"
)

// Credential is what an instance proves with which service it is. It is a secret, and
// is JSON where it is kept.
type Credential struct {
	Environment string
	Service     string
	Root        ed25519.PublicKey
	Key         ed25519.PrivateKey
	Certificate string
}

type credentialJSON struct {
	Environment string `json:"environment"`
	Service     string `json:"service"`
	Root        string `json:"root"`
	Key         string `json:"key"` // seed (RFC 8032 §5.1.5)
	Certificate string `json:"certificate"`
}

// String says whose it is, and keeps the key out of messages and logs.
func (c Credential) String() string { return "credential of " + c.Service + " in " + c.Environment }

// LogValue implements slog.LogValuer.
func (c Credential) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalJSON implements json.Marshaler.
func (c Credential) MarshalJSON() ([]byte, error) {
	if len(c.Key) != ed25519.PrivateKeySize {
		return nil, errors.New("the " + c.String() + " has no key")
	}
	return json.Marshal(credentialJSON{
		Environment: c.Environment, Service: c.Service, Certificate: c.Certificate,
		Root: base64.RawURLEncoding.EncodeToString(c.Root),
		Key:  base64.RawURLEncoding.EncodeToString(c.Key.Seed()),
	})
}

// UnmarshalJSON implements json.Unmarshaler. It checks the form; Check does the rest.
func (c *Credential) UnmarshalJSON(text []byte) error {
	var j credentialJSON
	if err := json.Unmarshal(text, &j); err != nil {
		return err
	}
	root, err := strict.DecodeString(j.Root)
	if err != nil || len(root) != ed25519.PublicKeySize {
		return errors.New(`"root" is no Ed25519 public key in base64url`)
	}
	seed, err := strict.DecodeString(j.Key)
	if err != nil || len(seed) != ed25519.SeedSize {
		return errors.New(`"key" is no Ed25519 private key in base64url`)
	}
	*c = Credential{j.Environment, j.Service, root, ed25519.NewKeyFromSeed(seed), j.Certificate}
	return nil
}

const howToEnrol = "`hansom up` keeps one for each of its services, and `hansom identity enrol <service>` makes more"

// ReadCredential reads the credential of service from a file, or from the file
// <service>.json where path is a folder, and checks it. An empty service takes whose
// ever the file is.
func ReadCredential(path, service string) (*Credential, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, service+".json")
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Unauthorized, "platform.auth.no_credential",
			"there is no credential of %s at %s: %s", service, path, howToEnrol)
	}
	if err != nil {
		return nil, fault.New(fault.Unauthorized, "platform.auth.no_credential", "the credential of %s: %v", service, err)
	}
	c := new(Credential)
	if err := json.Unmarshal(text, c); err != nil {
		return nil, fault.New(fault.Unauthorized, "platform.auth.bad_credential", "the credential in %s cannot be read: %v", path, err)
	}
	if service != "" && c.Service != service {
		return nil, fault.New(fault.Unauthorized, "platform.auth.bad_credential", "the credential in %s is that of %s, not of %s", path, c.Service, service)
	}
	return c, c.Check()
}

// Check reports whether the certificate is good now, and that of the key.
func (c *Credential) Check() error {
	service, key, err := NewVerifier(c.Root, c.Environment).certificate(c.Certificate)
	if err != nil {
		return fault.New(fault.Unauthorized, "platform.auth.bad_credential",
			"the certificate of %s in environment %s is not good (%s): %s", c.Service, c.Environment, err.Detail, howToEnrol)
	}
	if service != c.Service || len(c.Key) != ed25519.PrivateKeySize || !key.Equal(c.Key.Public()) {
		return fault.New(fault.Unauthorized, "platform.auth.bad_credential", "the certificate of %s is that of another key or service", c.Service)
	}
	return nil
}

// assertionLife is how long an assertion may be used.
const assertionLife = time.Minute

type assertionClaims struct {
	standard
	Instance string `json:"ins"`
	ID       string `json:"jti"`
}

// Assertion proves to the audience, an instance of kernel.login or "kernel.config", that
// the named instance is one of the credential's service (RFC 7523 §3). It is good for
// a minute.
func (c *Credential) Assertion(instance, audience string) (string, error) {
	now := time.Now()
	claims := assertionClaims{Instance: instance, ID: rand.Text()}
	claims.standard = standard{
		Issuer: c.Service, Subject: c.Service, Audience: audience,
		Issued: date{now}, Expires: date{now.Add(assertionLife)},
	}
	return sign(header{Type: assertionToken, Certificate: c.Certificate}, &claims, c.Key)
}
