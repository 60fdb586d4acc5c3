package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"

	"google.golang.org/protobuf/proto"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	hansompb "github.com/hansom-platform/hansom/proto/hansom"
)

const (
	typeJSON       = "application/json"
	typeProtobuf   = "application/protobuf"
	headerServedBy = "X-Hansom-Served-By"
)

// crossOrigin refuses what a browser sends for a page of another site.
var crossOrigin = http.NewCrossOriginProtection()

// rpc calls any endpoint for the user whose session comes with the request; the called
// service judges whether that user may. The gateway's own identity is left out, so that
// what is for services stays closed.
//
// The session must be in the header: no page of another site can make a browser
// send that, and a name that is made to resolve to this machine (DNS rebinding) gives
// a page no session to send.
func (g *Gateway) rpc(v *visit) error {
	v.endpoint = endpointRPC
	if v.r.Method != http.MethodPost {
		return v.wrongMethod(http.MethodPost)
	}
	if crossOrigin.Check(v.r) != nil {
		return fault.New(fault.Forbidden, "gateway.rpc.cross_origin", "a browser sent this for a page of another site")
	}
	if err := g.signedIn(v); err != nil {
		return err
	}
	contentType, _, _ := mime.ParseMediaType(v.r.Header.Get("Content-Type"))
	read := rpcReaders[contentType]
	if read == nil {
		return refuse(http.StatusUnsupportedMediaType, "gateway.rpc.content_type", "the content type is %q; want %s or %s", contentType, typeJSON, typeProtobuf)
	}
	body, err := g.body(v)
	if err != nil {
		return err
	}
	target, request, err := read(body)
	if err != nil {
		return err
	}
	return g.call(v, target, request)
}

// signedIn wants a session in the header.
func (g *Gateway) signedIn(v *visit) error {
	c, err := credentialOf(v.r)
	if err != nil {
		return err
	}
	if c.value == "" || c.inQuery {
		return fault.New(fault.Unauthorized, "gateway.rpc.no_session", "/rpc needs a session in the header %s: Bearer <session id>", headerAuthorization)
	}
	return g.authenticate(v, c)
}

func (g *Gateway) call(v *visit, target platform.Target, request []byte) error {
	leave, err := g.admit()
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel, err := g.carry(v)
	if err != nil {
		return err
	}
	defer cancel()
	var by platform.ServedBy
	answer, err := g.outsider.CallRaw(platform.CaptureServedBy(ctx, &by), target, request)
	h := v.w.Header()
	if by.Instance != "" {
		h.Set(headerServedBy, by.Instance+" "+by.Version+" "+by.Zone)
	}
	if err != nil {
		return err
	}
	h.Set("Content-Type", target.ContentType)
	h.Set("Cache-Control", "no-store")
	v.answer(http.StatusOK, answer)
	return nil
}

var rpcReaders = map[string]func([]byte) (platform.Target, []byte, error){
	typeJSON:     readJSON,
	typeProtobuf: readProtobuf,
}

func readJSON(body []byte) (platform.Target, []byte, error) {
	var call struct {
		Service  string          `json:"service"`
		Endpoint string          `json:"endpoint"`
		Request  json.RawMessage `json:"request"`
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(&call)
	if err == nil && !errors.Is(d.Decode(new(json.RawMessage)), io.EOF) {
		err = errors.New("something follows the object")
	}
	if err != nil {
		return platform.Target{}, nil, badCall("the body is no call in JSON: %s; want "+
			`{"service": "core.eta", "endpoint": "estimate", "request": {}}`, jsonError(err))
	}
	if string(call.Request) == "null" {
		call.Request = nil
	}
	return target(call.Service, call.Endpoint, typeJSON, call.Request)
}

// jsonError says what is wrong with a document in words for its author.
func jsonError(err error) string {
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.EOF):
		return "it is empty"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "it ends too early"
	case errors.As(err, &wrong) && wrong.Field != "":
		return wrong.Field + " is of the type " + wrong.Value
	case errors.As(err, &wrong):
		return "it is of the type " + wrong.Value
	}
	return err.Error()
}

func readProtobuf(body []byte) (platform.Target, []byte, error) {
	var call hansompb.RpcRequest
	if err := proto.Unmarshal(body, &call); err != nil {
		return platform.Target{}, nil, badCall("the body is no hansom.RpcRequest")
	}
	return target(call.GetService(), call.GetEndpoint(), typeProtobuf, call.GetRequest())
}

// maxRPCName bounds what is repeated in answers, logs and hops.
const maxRPCName = 256

func target(service, endpoint, contentType string, request []byte) (platform.Target, []byte, error) {
	if service == "" || endpoint == "" {
		return platform.Target{}, nil, badCall("a call names a service and an endpoint; this one names %q and %q", service, endpoint)
	}
	if len(service) > maxRPCName || len(endpoint) > maxRPCName {
		return platform.Target{}, nil, badCall("the names of services and endpoints have at most %d bytes", maxRPCName)
	}
	return platform.Target{Service: service, Endpoint: endpoint, ContentType: contentType}, request, nil
}

func badCall(message string, args ...any) error {
	return fault.New(fault.BadRequest, "gateway.rpc.body", message, args...)
}
