package edge

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
	"github.com/hansom-platform/hansom/proto/rpc"
)

// Sessions logs users of one application in and out, at kernel.login.
type Sessions struct {
	application  string
	authenticate func(context.Context, *loginpb.AuthenticateRequest) (*loginpb.AuthenticateResponse, error)
	end          func(context.Context, *loginpb.EndSessionsRequest) (*loginpb.EndSessionsResponse, error)
}

// NewSessions returns the sessions of an application, such as "customer", which
// calls through c.
func NewSessions(c rpc.Caller, application string) *Sessions {
	client := loginpb.NewLoginClient(c)
	return &Sessions{application, client.Authenticate, client.EndSessions}
}

// credentials is the body of POST …/login.
type credentials struct {
	Identifier  string `json:"identifier"` // name, email or phone
	Password    string `json:"password"`
	DeviceType  string `json:"device_type"`  // "web", "ios"; "web" where missing
	KnownDevice string `json:"known_device"` // what the last answer on this device said
}

// opened is the answer to POST …/login.
type opened struct {
	Session     string    `json:"session_id"` // a secret: sent as Authorization: Bearer
	Expires     time.Time `json:"expires"`
	KnownDevice string    `json:"known_device"` // a secret too, for the next login on this device
}

// Login answers POST …/login. kernel.login says what is wrong with a password, and
// never whether there is such a user.
func (s *Sessions) Login(r *http.Request) (any, error) {
	body := new(credentials)
	if err := Decode(r, body); err != nil {
		return nil, err
	}
	if err := Require(
		Field{Name: "identifier", Given: body.Identifier != ""},
		Field{Name: "password", Given: body.Password != ""},
	); err != nil {
		return nil, err
	}
	response, err := s.authenticate(r.Context(), &loginpb.AuthenticateRequest{
		Application: s.application, Identifier: body.Identifier, Password: body.Password,
		DeviceType: body.DeviceType, KnownDevice: body.KnownDevice, Source: host(r.RemoteAddr),
	})
	if err != nil {
		return nil, err
	}
	return opened{response.GetSessionId(), response.GetExpires().AsTime(), response.GetKnownDevice()}, nil
}

// Logout answers POST …/logout: it ends the session that the request was made with.
func (s *Sessions) Logout(r *http.Request) (any, error) {
	user, ok := platform.UserOf(r.Context())
	if !ok || user.Session == "" {
		return nil, fault.New(fault.Unauthorized, "api.v1.no_session", "there is no session to end: send it as Authorization: Bearer")
	}
	_, err := s.end(r.Context(), &loginpb.EndSessionsRequest{Session: user.Session, Reason: "logout"})
	return nil, err
}

// host returns an address without its port.
func host(address string) string {
	if h, _, err := net.SplitHostPort(address); err == nil {
		return h
	}
	return address
}

// Post is Methods with a handler of POST alone.
func Post(h Handler) http.Handler { return Methods(map[string]Handler{http.MethodPost: h}) }

// Roles of the business's users.
const (
	RoleCustomer = "CUSTOMER"
	RoleDriver   = "DRIVER"
	RoleFleet    = "FLEET" // may act for any driver
)

// LoginSLA is what a login may take: passwords are hashed slowly on purpose.
func LoginSLA() platform.EndpointOption { return platform.SLA(150*time.Millisecond, 4*time.Second) }
