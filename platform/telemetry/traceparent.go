package telemetry

import (
	"encoding/hex"

	"go.opentelemetry.io/otel/trace"
)

// Lengths of W3C Trace Context (https://www.w3.org/TR/trace-context-2/).
const (
	traceParentLength = 55  // "00-" + 32 + "-" + 16 + "-" + 2
	maxTraceState     = 512 // §3.3.1.5: what must at least be propagated; more is dropped here
)

const knownFlags = trace.FlagsSampled | trace.FlagsRandom

// ids are what travels of a span, and its parent.
type ids struct {
	trace  trace.TraceID
	span   trace.SpanID
	parent trace.SpanID
	flags  trace.TraceFlags
	state  string
}

func (i *ids) valid() bool { return i.trace != (trace.TraceID{}) }

// parseTraceParent reads a traceparent header by the rules of §3.2: a version
// that is not known is read as if it were 00, and flags that are not known are
// dropped. It returns false where a new trace has to be started.
func parseTraceParent(s string) (i ids, ok bool) {
	var version, flags [1]byte
	if len(s) < traceParentLength || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return ids{}, false
	}
	if !readHex(version[:], s[0:2]) || !readHex(i.trace[:], s[3:35]) || !readHex(i.span[:], s[36:52]) || !readHex(flags[:], s[53:55]) {
		return ids{}, false
	}
	switch {
	case version[0] == 0xff,
		version[0] == 0 && len(s) != traceParentLength,
		len(s) > traceParentLength && s[traceParentLength] != '-',
		!i.trace.IsValid(), !i.span.IsValid():
		return ids{}, false
	}
	i.flags = trace.TraceFlags(flags[0]) & knownFlags
	return i, true
}

// readHex decodes lower-case hexadecimal digits, which are the only ones allowed.
func readHex(to []byte, s string) bool {
	var wrong byte
	for i := range to {
		high, low := digits[s[2*i]], digits[s[2*i+1]]
		wrong |= high | low
		to[i] = high<<4 | low
	}
	return wrong < 16
}

// digits are the values of the lower-case hexadecimal digits; what is none is 255.
var digits = func() (all [256]byte) {
	for c := range all {
		all[c] = 255
	}
	for value, c := range []byte("0123456789abcdef") {
		all[c] = byte(value)
	}
	return all
}()

func (i *ids) traceParent() string {
	var b [traceParentLength]byte
	b[0], b[1], b[2], b[35], b[52] = '0', '0', '-', '-', '-'
	hex.Encode(b[3:35], i.trace[:])
	hex.Encode(b[36:52], i.span[:])
	hex.Encode(b[53:55], []byte{byte(i.flags)})
	return string(b[:])
}

// cleanTraceState returns a tracestate that may be passed on as it is, or "".
func cleanTraceState(s string) string {
	if len(s) > maxTraceState {
		return ""
	}
	for i := range len(s) {
		if c := s[i]; c != '\t' && (c < ' ' || c > '~') {
			return ""
		}
	}
	return s
}
