package platform

import (
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	hansompb "github.com/hansom-platform/hansom/proto/hansom"
)

// decode reads a message's body into m, by its content type.
func decode(from *bus.Message, m proto.Message) error {
	switch t := from.Header.Get(bus.HeaderContentType); t {
	case "", bus.ContentProtobuf, bus.ContentHTTP:
		return proto.Unmarshal(from.Body, m)
	case bus.ContentJSON:
		return decodeJSON(from.Body, m)
	default:
		return fault.New(fault.BadRequest, "platform.content_type",
			"content type %q: want %s or %s", t, bus.ContentProtobuf, bus.ContentJSON)
	}
}

// decodeJSON takes an empty body for an empty message, as protobuf does.
func decodeJSON(body []byte, m proto.Message) error {
	if len(body) == 0 {
		proto.Reset(m)
		return nil
	}
	return protojson.Unmarshal(body, m)
}

// encode writes m as the content type says. A nil message, typed or not, is an
// empty one.
func encode(m proto.Message, contentType string) ([]byte, error) {
	if contentType == bus.ContentJSON {
		if m == nil {
			return []byte("{}"), nil
		}
		return protojson.Marshal(m)
	}
	return proto.Marshal(m)
}

// encodeFault writes err as the body of a reply of type error. It cannot fail:
// every string in it is made valid UTF-8.
func encodeFault(err *fault.Error, contentType string) []byte {
	body, failed := encode(&hansompb.Error{
		Code:    err.Code.String(),
		Reason:  validUTF8(err.Reason),
		Message: validUTF8(err.Message),
		Detail:  validUTF8(err.Detail),
	}, contentType)
	if failed != nil {
		return nil
	}
	return body
}

// decodeFault reads a reply of type error. What cannot be read is a BadResponse
// of this side's making.
func decodeFault(reply *bus.Message) *fault.Error {
	var e hansompb.Error
	if err := decode(reply, &e); err != nil {
		return fault.Wrap(err, fault.BadResponse, "platform.bad_error", "the peer failed, and what it said of that cannot be read")
	}
	code, ok := fault.ParseCode(e.GetCode())
	if !ok {
		return fault.New(fault.BadResponse, "platform.bad_error", "the peer failed with the unknown code %q", e.GetCode()).WithDetail("%s: %s", e.GetReason(), e.GetMessage())
	}
	return &fault.Error{Code: code, Reason: e.GetReason(), Message: e.GetMessage(), Detail: e.GetDetail(), Origin: fault.Peer}
}

func validUTF8(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
