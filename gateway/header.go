package gateway

import (
	"net/http"
	"net/textproto"
	"strings"

	hansompb "github.com/hansom-platform/hansom/proto/hansom"
)

// Headers that are not passed on, in canonical spelling.
var (
	// About one connection (RFC 9110 §7.6.1).
	hopByHop = []string{
		"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection",
		"Te", "Trailer", "Transfer-Encoding", "Upgrade",
	}
	// Said again by the message that carries the body.
	framing = []string{"Content-Length", "Expect", "Host"}
	// The platform's own, on the way in and out.
	internal         = []string{"Traceparent", "Tracestate", "Baggage", "X-Request-Id"}
	internalPrefixes = []string{"H2-", "X-Hansom-"}
	// Secrets that are for the gateway alone. A service knows whose a request is by the
	// token that the gateway sends along.
	secret = map[string]bool{headerAuthorization: true, "X-Session-Id": true}
)

// dropped returns the headers of one connection's side that stay there.
func dropped(connection []string) map[string]bool {
	drop := make(map[string]bool, len(hopByHop)+len(framing)+len(internal))
	for _, names := range [][]string{hopByHop, framing, internal} {
		for _, name := range names {
			drop[name] = true
		}
	}
	for _, v := range connection {
		for name := range strings.SplitSeq(v, ",") {
			drop[textproto.CanonicalMIMEHeaderKey(textproto.TrimString(name))] = true
		}
	}
	return drop
}

var droppedAlways = dropped(nil)

func droppedOf(connection []string) map[string]bool {
	if len(connection) == 0 {
		return droppedAlways
	}
	return dropped(connection)
}

func isInternal(name string) bool {
	for _, prefix := range internalPrefixes {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// incoming returns the headers that a service gets to see.
func incoming(h http.Header) []*hansompb.HttpField {
	drop := droppedOf(h["Connection"])
	fields := make([]*hansompb.HttpField, 0, len(h))
	for name, values := range h {
		if drop[name] || secret[name] || isInternal(name) {
			continue
		}
		for _, v := range values {
			fields = append(fields, &hansompb.HttpField{Name: name, Value: strings.ToValidUTF8(v, "\uFFFD")})
		}
	}
	return fields
}

// outgoing adds the headers of a service's answer to h.
func outgoing(h http.Header, fields []*hansompb.HttpField) {
	var connection []string
	for _, f := range fields {
		if strings.EqualFold(f.GetName(), "Connection") {
			connection = append(connection, f.GetValue())
		}
	}
	drop := droppedOf(connection)
	for _, f := range fields {
		name := textproto.CanonicalMIMEHeaderKey(f.GetName())
		if !drop[name] && !isInternal(name) {
			h.Add(name, f.GetValue())
		}
	}
}
