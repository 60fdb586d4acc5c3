package document

import (
	"encoding/json"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Encode returns the canonical text of a value as RFC 8785 has it (members in the order of
// their UTF-16 code units, the fewest escapes, no space), but for numbers, which
// stay as they were written, so that none loses digits. Secrets are hidden.
func Encode(v any) []byte { return appendValue(nil, v, hideSecret) }

// EncodeStored is Encode with secrets in their sealed form.
func EncodeStored(v any) []byte { return appendValue(nil, v, sealedSecret) }

func appendValue(b []byte, v any, secret func(Secret) any) []byte {
	switch v := v.(type) {
	case map[string]any:
		b = append(b, '{')
		for i, name := range Members(v) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, name), ':')
			b = appendValue(b, v[name], secret)
		}
		return append(b, '}')
	case []any:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendValue(b, e, secret)
		}
		return append(b, ']')
	case Secret:
		return appendValue(b, secret(v), secret)
	case json.Number:
		return append(b, v...)
	case string:
		return appendString(b, v)
	case bool:
		return strconv.AppendBool(b, v)
	}
	return append(b, "null"...)
}

const hexDigits = "0123456789abcdef"

func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c >= 0x20:
			b = append(b, c)
		case c == '\b':
			b = append(b, `\b`...)
		case c == '\f':
			b = append(b, `\f`...)
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\r':
			b = append(b, `\r`...)
		case c == '\t':
			b = append(b, `\t`...)
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(b, '"')
}

// Members returns the names of an object's members in canonical order.
func Members(m map[string]any) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.SortFunc(names, compareNames)
	return names
}

// compareNames orders by UTF-16 code units (RFC 8785 §3.2.3). That is the order of code points, but
// for those above U+FFFF, whose surrogates sort before U+E000.
func compareNames(a, b string) int {
	for len(a) > 0 && len(b) > 0 {
		r, n := utf8.DecodeRuneInString(a)
		s, m := utf8.DecodeRuneInString(b)
		if r != s {
			if high, other := r > 0xffff, s > 0xffff; high != other {
				if high && s >= 0xe000 {
					return -1
				}
				if other && r >= 0xe000 {
					return 1
				}
			}
			return int(r) - int(s)
		}
		a, b = a[n:], b[m:]
	}
	return len(a) - len(b)
}
