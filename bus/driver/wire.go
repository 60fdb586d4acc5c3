package driver

import (
	"encoding/binary"
	"errors"
	"unsafe"
)

// A message in one piece is the metadata block, then the body. On NATS that is the payload, with all fields
// in the block; on AMQP it is the body of requests and replies, with the fields that brokers do not look at.
//
//	0x01                               version of the block
//	uvarint                            bytes of the fields that follow
//	per field, in the order it was set:
//	    uvarint, key, uvarint, value   lengths in bytes, then the bytes
//	body
//
// uvarint is the base-128 varint of Protocol Buffers. Why metadata does not travel in an engine's
// own headers: docs/decisions/0004 and 0021.
const blockVersion = 0x01

var errWire = errors.New("not a message of this bus: the metadata block is broken or of another version")

// AppendMessage appends a message in one piece to buf.
func AppendMessage(buf []byte, h Header, body []byte) []byte {
	size := 0
	for i := range h {
		size += uvarintLen(len(h[i].Key)) + len(h[i].Key) + uvarintLen(len(h[i].Value)) + len(h[i].Value)
	}
	buf = append(buf, blockVersion)
	buf = binary.AppendUvarint(buf, uint64(size))
	for i := range h {
		buf = appendString(buf, h[i].Key)
		buf = appendString(buf, h[i].Value)
	}
	return append(buf, body...)
}

func appendString(buf []byte, s string) []byte {
	buf = binary.AppendUvarint(buf, uint64(len(s)))
	return append(buf, s...)
}

func uvarintLen(n int) int {
	size := 1
	for ; n >= 0x80; n >>= 7 {
		size++
	}
	return size
}

// ParseMessage reads what AppendMessage made into m, which keeps it: the body is a part of payload
// and so are the strings of the header, so payload must not change any more.
func ParseMessage(payload []byte, m *Message) error {
	if len(payload) == 0 || payload[0] != blockVersion {
		return errWire
	}
	size, n := binary.Uvarint(payload[1:])
	rest := payload[1+max(n, 0):]
	if n <= 0 || size > uint64(len(rest)) {
		return errWire
	}
	block, body := rest[:size], rest[size:]
	fields := unsafe.String(unsafe.SliceData(block), len(block))
	count, ok := countStrings(fields)
	if !ok || count%2 != 0 {
		return errWire
	}
	header := make(Header, count/2)
	for i := range header {
		header[i].Key, fields, _ = cutString(fields)
		header[i].Value, fields, _ = cutString(fields)
	}
	m.Header, m.Body = header, body[:len(body):len(body)]
	return nil
}

func countStrings(s string) (n int, ok bool) {
	for ; len(s) > 0; n++ {
		if _, s, ok = cutString(s); !ok {
			return 0, false
		}
	}
	return n, true
}

// cutString cuts a length and as many bytes off the front of s.
func cutString(s string) (word, rest string, ok bool) {
	var n uint64
	for i := 0; i < len(s) && i < binary.MaxVarintLen64; i++ {
		n |= uint64(s[i]&0x7f) << (7 * i)
		if s[i] < 0x80 {
			s = s[i+1:]
			if n > uint64(len(s)) {
				return "", "", false
			}
			return s[:n], s[n:], true
		}
	}
	return "", "", false
}
