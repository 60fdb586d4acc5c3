package store

import (
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store/driver"
)

// A continuation is base64url of: a format byte, four bytes that stand for the
// range it belongs to, and the last clustering key of the page. It is opaque to
// callers, so the format may change; one that is not understood is refused.
const tokenFormat = 1

const tokenHead = 5

// token returns the continuation of a page of r whose last clustering key is last.
func (r Range) token(at driver.Partition, last string) string {
	b := make([]byte, tokenHead, tokenHead+len(last))
	b[0] = tokenFormat
	binary.BigEndian.PutUint32(b[1:], r.fingerprint(at))
	return base64.RawURLEncoding.EncodeToString(append(b, last...))
}

// parseToken returns the last clustering key of the page before.
func (r Range) parseToken(at driver.Partition, token string) (string, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	switch {
	case err != nil || len(b) < tokenHead || b[0] != tokenFormat:
		return "", badToken("it is not what Range returned")
	case binary.BigEndian.Uint32(b[1:]) != r.fingerprint(at):
		return "", badToken("it is of another range; only the limit may change between pages")
	}
	last := string(b[tokenHead:])
	if checkText("range", "continuation", last) != nil {
		return "", badToken("it is not what Range returned")
	}
	return last, nil
}

func badToken(why string) error {
	return fault.New(fault.BadRequest, ReasonContinue, "store: range: bad continuation: %s", why)
}

// fingerprint tells ranges apart, so that a continuation of another one is
// refused rather than silently followed. It guards against mistakes, not attackers: a
// continuation can reach only what its range can.
func (r Range) fingerprint(at driver.Partition) uint32 {
	h := fnv.New32a()
	for _, s := range []string{at.Table, at.Key, r.From, r.To, r.Prefix} {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	if r.Reverse {
		h.Write([]byte{1})
	}
	return h.Sum32()
}
