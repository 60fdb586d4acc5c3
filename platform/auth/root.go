package auth

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"slices"
	"time"

	"github.com/hansom-platform/hansom/fault"
)

// jwk is an Ed25519 public key (RFC 8037 §2).
type jwk struct {
	Type      string `json:"kty"`
	Curve     string `json:"crv"`
	X         string `json:"x"`
	ID        string `json:"kid,omitempty"`
	Algorithm string `json:"alg,omitempty"`
	Use       string `json:"use,omitempty"`
}

func newJWK(key ed25519.PublicKey) jwk {
	return jwk{Type: "OKP", Curve: "Ed25519", X: base64.RawURLEncoding.EncodeToString(key)}
}

func (k jwk) key() (ed25519.PublicKey, bool) {
	x, err := strict.DecodeString(k.X)
	if err != nil || len(x) != ed25519.PublicKeySize || k.Type != "OKP" || k.Curve != "Ed25519" {
		return nil, false
	}
	return x, true
}

type certificateClaims struct {
	standard
	Confirmation struct {
		Key jwk `json:"jwk"`
	} `json:"cnf"` // RFC 7800 §3.2
}

type keySetClaims struct {
	standard
	Keys []jwk `json:"keys"` // RFC 7517 §5
}

// rootKey is the name of the root's key in headers.
const rootKey = "root"

// MasterSize is the length of the secret that a root is made of, in bytes.
const MasterSize = 32

// Root is the authority of an environment: what it signs is believed by everybody who
// has its public key. Only kernel.login has it. It is safe for concurrent use.
type Root struct {
	environment string
	key         ed25519.PrivateKey
}

// NewRoot derives an environment's root from a master secret of MasterSize bytes
// (HKDF-SHA256, RFC 5869).
func NewRoot(environment string, master []byte) (*Root, error) {
	if !ValidIdentifier(environment) {
		return nil, fault.New(fault.BadRequest, "platform.auth.environment", "environment %q: want letters, digits and . _ - such as \"local\"", environment)
	}
	if len(master) != MasterSize {
		return nil, fault.New(fault.BadRequest, "platform.auth.master", "the master key of environment %s has %d bytes, want %d", environment, len(master), MasterSize)
	}
	seed, err := hkdf.Key(sha256.New, master, nil, "hansom root "+environment, ed25519.SeedSize)
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "platform.auth.root", "the root of environment %s cannot be derived", environment)
	}
	return &Root{environment, ed25519.NewKeyFromSeed(seed)}, nil
}

// PublicKey returns what everything that the root signs is verified with.
func (r *Root) PublicKey() ed25519.PublicKey { return r.key.Public().(ed25519.PublicKey) }

// Environment returns the environment's name.
func (r *Root) Environment() string { return r.environment }

// Enrol makes a service's credential, a new key with a certificate that is good for
// that long.
func (r *Root) Enrol(service string, validFor time.Duration) (Credential, error) {
	if !ValidIdentifier(service) || validFor <= 0 {
		return Credential{}, badClaims("enrol service %q for %s: want a name and a time", service, validFor)
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return Credential{}, fault.Wrap(err, fault.Internal, "platform.auth.key", "no key can be made")
	}
	now := time.Now()
	var claims certificateClaims
	claims.standard = standard{Issuer: r.environment, Subject: service, Issued: date{now}, Expires: date{now.Add(validFor)}}
	claims.Confirmation.Key = newJWK(public)
	signed, err := sign(header{Type: certificate, Key: rootKey}, &claims, r.key)
	if err != nil {
		return Credential{}, err
	}
	return Credential{Environment: r.environment, Service: service, Root: r.PublicKey(), Key: private, Certificate: signed}, nil
}

// KeySet signs the keys, by their ids, that tokens are verified with from now on. It
// is believed until a later one comes.
func (r *Root) KeySet(keys map[string]ed25519.PublicKey) (string, error) {
	claims := keySetClaims{standard: standard{Issuer: r.environment, Issued: date{time.Now()}}}
	for _, kid := range slices.Sorted(maps.Keys(keys)) {
		if !ValidIdentifier(kid) || len(keys[kid]) != ed25519.PublicKeySize {
			return "", badClaims("key %q of %d bytes: want an identifier and an Ed25519 key", kid, len(keys[kid]))
		}
		k := newJWK(keys[kid])
		k.ID, k.Algorithm, k.Use = kid, "EdDSA", "sig"
		claims.Keys = append(claims.Keys, k)
	}
	return sign(header{Type: keySetToken, Key: rootKey}, &claims, r.key)
}
