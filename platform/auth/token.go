package auth

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jws"

	"github.com/hansom-platform/hansom/fault"
)

// MaxToken is the size of the largest token that is read, in bytes.
const MaxToken = 8 << 10

// leeway is what clocks may differ by.
const leeway = 5 * time.Second

// kind is a token's explicit type.
type kind string

const (
	userToken      kind = "user+jwt"
	identityToken  kind = "identity+jwt"
	assertionToken kind = "assertion+jwt"
	certificate    kind = "certificate+jwt"
	keySetToken    kind = "keyset+jwt" //nolint:gosec // a name
	statementToken kind = "statement+jwt"
)

// header is all that a token's header may have. Others, such as "crit", "jku" and "jwk",
// are refused.
type header struct {
	Algorithm   string `json:"alg"`
	Key         string `json:"kid,omitempty"`
	Type        kind   `json:"typ"`
	Certificate string `json:"cert,omitempty"` // of an assertion
}

// standard are the claims that every token has (RFC 7519 §4.1).
type standard struct {
	Issuer    string `json:"iss"`
	Subject   string `json:"sub,omitempty"`
	Audience  string `json:"aud,omitempty"`
	Issued    date   `json:"iat"`
	NotBefore date   `json:"nbf,omitzero"`
	Expires   date   `json:"exp,omitzero"`
}

func (s *standard) claims() *standard { return s }

// claimed is a token's claims.
type claimed interface{ claims() *standard }

// date is a NumericDate (RFC 7519 §2) to the microsecond.
type date struct{ time.Time }

// MarshalJSON implements json.Marshaler.
func (d date) MarshalJSON() ([]byte, error) {
	us := d.UnixMicro()
	if us < 0 {
		return nil, fmt.Errorf("%s is before 1970", d.Time)
	}
	text := strconv.AppendInt(nil, us/1e6, 10)
	if us%1e6 != 0 {
		text = fmt.Appendf(text, ".%06d", us%1e6)
	}
	return text, nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (d *date) UnmarshalJSON(text []byte) error {
	whole, part, _ := strings.Cut(string(text), ".")
	seconds, err := strconv.ParseUint(whole, 10, 40)
	if err != nil {
		return fmt.Errorf("%q is no date", text)
	}
	us := uint64(0)
	if part != "" {
		if us, err = strconv.ParseUint((part + "000000")[:6], 10, 32); err != nil {
			return fmt.Errorf("%q is no date", text)
		}
	}
	d.Time = time.Unix(int64(seconds), int64(us)*1000)
	return nil
}

// sign makes a token.
func sign(h header, claims any, key ed25519.PrivateKey) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fault.Wrap(err, fault.Internal, "platform.auth.sign", "a token cannot be written")
	}
	fields := jws.NewHeaders()
	for name, value := range map[string]string{"kid": h.Key, "typ": string(h.Type), "cert": h.Certificate} {
		if value == "" {
			continue
		}
		if err := fields.Set(name, value); err != nil {
			return "", fault.Wrap(err, fault.Internal, "platform.auth.sign", "a token's header cannot be written")
		}
	}
	signed, err := jws.Sign(payload, jws.WithKey(jwa.EdDSA(), key, jws.WithProtectedHeaders(fields)))
	if err != nil {
		return "", fault.Wrap(err, fault.Internal, "platform.auth.sign", "a token cannot be signed")
	}
	if len(signed) > MaxToken {
		return "", fault.New(fault.BadRequest, "platform.auth.too_large", "the token would have %d bytes; %d are the most", len(signed), MaxToken)
	}
	return string(signed), nil
}

// keyOf finds the key that a token must be signed with.
type keyOf func(h header) (ed25519.PublicKey, *fault.Error)

// read verifies a token's form, type and signature (RFC 7515 §5.2) and decodes its
// claims.
func read(text string, want kind, find keyOf, claims claimed) *fault.Error {
	p, err := split(text)
	if err != nil {
		return err
	}
	h, err := readHeader(p.header)
	if err != nil {
		return err
	}
	if h.Algorithm != "EdDSA" {
		return refuse(ReasonAlgorithm, "the algorithm is %.20q, want EdDSA", h.Algorithm)
	}
	if h.Type != want {
		return refuse(ReasonType, "the type is %.30q, want %s", h.Type, want)
	}
	key, err := find(h)
	if err != nil {
		return err
	}
	if len(p.signature) != ed25519.SignatureSize || !ed25519.Verify(key, p.signed, p.signature) {
		return refuse(ReasonSignature, "the signature is not that of key %.40q", h.Key)
	}
	payload, failed := strict.DecodeString(p.claims)
	if failed == nil {
		failed = decode(payload, claims)
	}
	if failed != nil {
		return refuse(ReasonMalformed, "the claims cannot be read: %v", failed)
	}
	return nil
}

// parts are those of a token.
type parts struct {
	header, claims string // base64url
	signed         []byte // both, with the dot between them
	signature      []byte
}

// strict refuses what decodes to the same bytes as another spelling, together with
// split, which refuses the line breaks that it would skip.
var strict = base64.RawURLEncoding.Strict()

func split(text string) (p parts, err *fault.Error) {
	if len(text) > MaxToken {
		return p, refuse(ReasonMalformed, "the token has %d bytes; %d are the most", len(text), MaxToken)
	}
	first := strings.IndexByte(text, '.')
	last := strings.LastIndexByte(text, '.')
	if first == last || strings.IndexByte(text[first+1:last], '.') >= 0 || strings.ContainsAny(text, "\r\n") {
		return p, refuse(ReasonMalformed, "a token is three parts of base64url with dots between them")
	}
	signature, failed := strict.DecodeString(text[last+1:])
	if failed != nil {
		return p, refuse(ReasonMalformed, "the signature: %v", failed)
	}
	return parts{header: text[:first], claims: text[first+1 : last], signed: []byte(text[:last]), signature: signature}, nil
}

// lastHeader is the one that was read last. Those of one key are mostly alike.
var lastHeader atomic.Pointer[readBefore]

type readBefore struct {
	text string
	header
}

func readHeader(text string) (h header, err *fault.Error) {
	if before := lastHeader.Load(); before != nil && before.text == text {
		return before.header, nil
	}
	decoded, failed := strict.DecodeString(text)
	if failed == nil {
		failed = decode(decoded, &h)
	}
	if failed != nil {
		return h, refuse(ReasonMalformed, "the header cannot be read: %v", failed)
	}
	if h.Certificate == "" {
		lastHeader.Store(&readBefore{strings.Clone(text), h})
	}
	return h, nil
}

// decode reads one JSON object whose names are exactly those of v: encoding/json by
// itself takes other cases of letters for the same name, and the last of two members.
func decode(text []byte, v any) error {
	if _, isHeader := v.(*header); !isHeader {
		if err := json.Unmarshal(text, v); err != nil {
			return err
		}
		return uniqueNames(text)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if d.InputOffset() != int64(len(text)) {
		return fmt.Errorf("there is more after the object")
	}
	return uniqueNames(text)
}
