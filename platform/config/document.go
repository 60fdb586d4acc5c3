package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/hansom-platform/hansom/fault"
)

// parse reads a document. Its errors show nothing of what is in it.
func parse(document []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return nil, fault.New(fault.BadRequest, "platform.config.syntax", "a configuration of %d bytes is no JSON (near byte %d)", len(document), d.InputOffset())
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fault.New(fault.BadRequest, "platform.config.syntax", "a configuration of %d bytes has more after its JSON value (at byte %d)", len(document), d.InputOffset())
	}
	root, ok := value.(map[string]any)
	if !ok {
		return nil, fault.New(fault.BadRequest, "platform.config.no_object", "a configuration must be a JSON object, and this one is %s", kindOf(value))
	}
	return root, nil
}

// at returns the value at key, nil where there is none.
func (c *content) at(key string) any {
	if key == "" {
		if c.root == nil {
			return nil
		}
		return c.root
	}
	members := c.root
	for {
		member, rest, deeper := strings.Cut(key, ".")
		value := members[member]
		if !deeper {
			return value
		}
		var ok bool
		if members, ok = value.(map[string]any); !ok {
			return nil
		}
		key = rest
	}
}

// kindOf names the type of a value for people.
func kindOf(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case json.Number:
		return "a number"
	case string:
		return "a string"
	case []any:
		return "an array"
	default:
		return "an object"
	}
}

// equal reports whether two values are the same JSON: members in any order,
// numbers by what they say.
func equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, equal)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equal)
	case json.Number:
		b, ok := b.(json.Number)
		return ok && equalNumbers(string(a), string(b))
	default:
		return isScalar(b) && a == b
	}
}

// isScalar reports whether a value can be compared with ==.
func isScalar(value any) bool {
	switch value.(type) {
	case nil, bool, string:
		return true
	}
	return false
}

func equalNumbers(a, b string) bool {
	if a == b {
		return true
	}
	x, exactX := decimalOf(a)
	y, exactY := decimalOf(b)
	return exactX && exactY && x == y
}

// decimal is the number digits × 10^exponent. Digits neither begin nor end with 0;
// zero has none, no sign and the exponent 0, so that equal numbers are equal values.
type decimal struct {
	negative bool
	digits   string
	exponent int64
}

// decimalOf reads a JSON number. It reports false where the exponent is beyond all use.
func decimalOf(number string) (decimal, bool) {
	mantissa, power := number, ""
	if i := strings.IndexAny(number, "eE"); i >= 0 {
		mantissa, power = number[:i], number[i+1:]
	}
	var d decimal
	if power != "" {
		var err error
		if d.exponent, err = strconv.ParseInt(power, 10, 32); err != nil {
			return decimal{}, false
		}
	}
	mantissa, d.negative = strings.CutPrefix(mantissa, "-")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	d.exponent -= int64(len(fraction))
	d.digits = strings.TrimLeft(whole+fraction, "0")
	trimmed := strings.TrimRight(d.digits, "0")
	d.exponent += int64(len(d.digits) - len(trimmed))
	if d.digits = trimmed; trimmed == "" {
		return decimal{}, true
	}
	return d, true
}

// wholeNumber reads a JSON number without a fraction, however it is written.
func wholeNumber(number string) (int, bool) {
	if n, err := strconv.Atoi(number); err == nil {
		return n, true
	}
	d, exact := decimalOf(number)
	const maxDigits = 19 // of math.MaxInt64
	if !exact || d.exponent < 0 || int64(len(d.digits))+d.exponent > maxDigits {
		return 0, false
	}
	text := d.digits + strings.Repeat("0", int(d.exponent))
	if d.negative {
		text = "-" + text
	}
	n, err := strconv.Atoi(orZero(text))
	return n, err == nil
}

func orZero(digits string) string {
	if digits == "" {
		return "0"
	}
	return digits
}

func floatNumber(number string) (float64, bool) {
	f, err := strconv.ParseFloat(number, 64)
	return f, err == nil && !math.IsInf(f, 0)
}
