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
	if _, ok := decodeBytes(text, secretBytes); !found || !ok {
		return "", false
	}
	return digestOf(secret), true
}

// decodeBytes reads the one spelling of so many bytes. By itself encoding/base64 skips line breaks.
func decodeBytes(text string, size int) ([]byte, bool) {
	raw, err := b64.DecodeString(text)
	return raw, err == nil && len(raw) == size && len(text) == b64.EncodedLen(size)
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
	id, ok := decodeBytes(device, deviceIDBytes)
	if !ok {
		id = randomBytes(deviceIDBytes)
	}
	return devicePrefix + b64.EncodeToString(append(id, d.mac(userID, id)...))
}

// recognise returns the device's id if the secret was issued for this user.
func (d devices) recognise(userID, secret string) (device string, ok bool) {
	text, found := strings.CutPrefix(secret, devicePrefix)
	raw, valid := decodeBytes(text, deviceIDBytes+deviceMACSize)
	if !found || !valid || userID == "" {
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
