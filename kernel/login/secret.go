package login

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// Prefixes by which people, and scanners for leaked secrets, tell what a secret is.
const (
	sessionPrefix = "hs_" // a session's id, as the client holds it
	publicPrefix  = "s-"  // a session's public id
	devicePrefix  = "hd_" // a known device
)

const secretBytes = 32

var b64 = base64.RawURLEncoding.Strict()

// newSecret returns the id of a session: 256 random bits.
func newSecret() string { return sessionPrefix + b64.EncodeToString(randomBytes(secretBytes)) }

// newPublicID returns a name for a session that gives nobody access.
func newPublicID() string { return publicPrefix + b64.EncodeToString(randomBytes(16)) }

// secretDigest returns what is stored in place of a session's id. It is false for
// what never was one. A plain hash suffices: 256 random bits cannot be guessed.
func secretDigest(secret string) (string, bool) {
	text, found := strings.CutPrefix(secret, sessionPrefix)
	if !found || len(text) != b64.EncodedLen(secretBytes) {
		return "", false
	}
	if _, err := b64.DecodeString(text); err != nil {
		return "", false
	}
	return digestOf(secret), true
}

func digestOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return b64.EncodeToString(sum[:])
}

// derive returns the key for one purpose that follows from the master key (RFC 5869).
func derive(master []byte, purpose string) []byte {
	key, err := hkdf.Key(sha256.New, master, nil, "hansom kernel.login "+purpose, sha256.Size)
	if err != nil {
		panic("login: derive: " + err.Error()) // only for lengths that SHA-256 cannot give
	}
	return key
}

// devices makes and recognises the secrets of known devices. Who holds one that is good for a
// user has logged in as that user from this device before. It lets nobody in; it
// only keeps what strangers do from locking the device out (OWASP: device cookies).
type devices struct{ key []byte }

const (
	deviceIDBytes = 16
	deviceMACSize = sha256.Size
)

// issue returns the secret of a device that the user logged in from.
func (d devices) issue(userID, device string) string {
	id, err := b64.DecodeString(device)
	if err != nil || len(id) != deviceIDBytes {
		id = randomBytes(deviceIDBytes)
	}
	return devicePrefix + b64.EncodeToString(append(id, d.mac(userID, id)...))
}

// recognise returns the device's id if the secret was issued for this user.
func (d devices) recognise(userID, secret string) (device string, ok bool) {
	text, found := strings.CutPrefix(secret, devicePrefix)
	if !found || userID == "" || len(text) != b64.EncodedLen(deviceIDBytes+deviceMACSize) {
		return "", false
	}
	raw, err := b64.DecodeString(text)
	if err != nil {
		return "", false
	}
	id, mac := raw[:deviceIDBytes], raw[deviceIDBytes:]
	return b64.EncodeToString(id), hmac.Equal(mac, d.mac(userID, id))
}

func (d devices) mac(userID string, id []byte) []byte {
	m := hmac.New(sha256.New, d.key)
	m.Write([]byte(userID))
	m.Write([]byte{0})
	m.Write(id)
	return m.Sum(nil)
}
