package platform_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/auth"
	"github.com/hansom-platform/hansom/platform/platformtest"
	"github.com/hansom-platform/hansom/proto/rpc"
)

// authorised is a call, who makes it and for whom, and the reason why it is denied.
type authorised struct {
	caller  string   // proves it, where it has a tier
	user    []string // roles; nil: there is no user
	service string
	roles   []string
	want    string
}

const (
	anonymous = "platform.unauthorized.anonymous"
	forbidden = "platform.forbidden.role"
	upward    = "platform.forbidden.upward"
)

func TestAuthorisation(t *testing.T) {
	calls := []authorised{
		// Nobody.
		{"stranger", nil, "core.a", nil, anonymous},
		{"stranger", nil, "core.a", []string{"SERVICE"}, anonymous},
		{"stranger", nil, "core.a", []string{"CUSTOMER"}, anonymous},
		{"stranger", nil, "core.a", []string{"ANYONE"}, ""},
		{"operator", nil, "core.a", nil, anonymous},
		// Users.
		{"operator", []string{"ADMIN"}, "core.a", nil, ""},
		{"operator", []string{"ADMIN"}, "core.a", []string{"SERVICE"}, ""},
		{"operator", []string{"ADMIN"}, "core.a", []string{"CUSTOMER"}, ""},
		{"operator", []string{"ADMIN.VIEW"}, "core.a", nil, forbidden},
		{"operator", []string{"CUSTOMER"}, "core.a", nil, forbidden},
		{"operator", []string{"CUSTOMER"}, "core.a", []string{"CUSTOMER"}, ""},
		{"operator", []string{"CUSTOMER"}, "core.a", []string{"CUSTOMER.GOLD"}, ""},
		{"operator", []string{"CUSTOMER.GOLD"}, "core.a", []string{"CUSTOMER"}, forbidden},
		{"operator", []string{"CUSTOM"}, "core.a", []string{"CUSTOMER"}, forbidden},
		{"operator", []string{"DRIVER"}, "core.a", []string{"CUSTOMER", "DRIVER"}, ""},
		{"operator", []string{"SERVICE"}, "core.a", []string{"SERVICE"}, forbidden},
		{"operator", []string{"ANYONE"}, "core.a", []string{"SERVICE"}, forbidden},
		{"operator", []string{}, "core.a", []string{"CUSTOMER"}, forbidden},
		// Services.
		{"core.b", nil, "core.a", nil, forbidden},
		{"core.b", nil, "core.a", []string{"ADMIN"}, forbidden},
		{"core.b", nil, "core.a", []string{"SERVICE"}, ""},
		{"core.b", nil, "core.a", []string{"ADMIN", "SERVICE"}, ""},
		{"core.b", nil, "core.a", []string{"CUSTOMER"}, forbidden},
		{"core.b", []string{"CUSTOMER"}, "core.a", []string{"CUSTOMER"}, ""},
		{"core.b", []string{"DRIVER"}, "core.a", []string{"CUSTOMER"}, forbidden},
		{"api.v1.x", nil, "core.a", []string{"SERVICE"}, ""},
		{"core.a", nil, "kernel.b", []string{"SERVICE"}, ""},
		// The kernel.
		{"kernel.discovery", nil, "kernel.b", nil, ""},
		{"kernel.discovery", nil, "kernel.b", []string{"CUSTOMER"}, ""},
		// Tiers come before all else.
		{"core.a", nil, "orchestration.b", []string{"ANYONE"}, upward},
		{"core.a", []string{"ADMIN"}, "orchestration.b", nil, upward},
		{"kernel.discovery", nil, "core.a", nil, upward},
		// The gateway speaks for people.
		{"api.gateway", nil, "core.a", []string{"CUSTOMER"}, anonymous},
		{"api.gateway", []string{"DRIVER"}, "core.a", []string{"CUSTOMER"}, forbidden},
		{"api.gateway", []string{"CUSTOMER"}, "core.a", []string{"CUSTOMER"}, ""},
		{"api.gateway", nil, "core.a", nil, anonymous},
		{"api.gateway", nil, "core.a", []string{"SERVICE"}, anonymous},
		{"api.gateway", []string{"DRIVER"}, "core.a", []string{"SERVICE"}, forbidden},
		{"api.gateway", nil, "api.v1.x", []string{"SERVICE"}, anonymous},
		{"api.gateway", nil, "kernel.b", []string{"SERVICE"}, ""},
	}
	w := newWorld(t)
	services := map[string]*platform.Service{}
	for i, c := range calls {
		if services[c.service] == nil {
			services[c.service] = w.service(c.service)
		}
		services[c.service].Handle(c.endpoint(i), text(echo))
	}
	for _, s := range services {
		w.run(s)
	}
	for i, c := range calls {
		_, err := say(w.as(t.Context(), c.user), w.client(c.caller), c.endpoint(i), "")
		if got := fault.ReasonOf(err); got != c.want {
			t.Errorf("%s, for a user with roles %q, calls %s, which needs %q: %q, want %q", c.caller, c.user, c.service, c.roles, got, c.want)
		}
	}
}

func (a authorised) endpoint(i int) *rpc.Endpoint {
	return endpoint(a.service, fmt.Sprintf("do%d", i), func(e *rpc.Endpoint) { e.Roles = a.roles })
}

// as returns a context with a user of these roles; nil is no user.
func (w *world) as(ctx context.Context, roles []string) context.Context {
	if roles == nil {
		return ctx
	}
	return platform.WithToken(ctx, w.token(auth.User{Roles: roles}))
}

// client calls as the named service, which it can prove, or as somebody without proof.
func (w *world) client(name string) *platform.Client {
	opts := []platform.ClientOption{platform.Logger(quiet)}
	if name != platform.Operator && name != "stranger" {
		opts = append(opts, w.issuer(name))
	}
	return platform.NewClient(name, w.open(), opts...)
}

func TestTheKernelCallsBuiltInsUpTheTiers(t *testing.T) {
	w := newWorld(t)
	s := w.service("api.top")
	w.run(s)
	for _, name := range []string{platform.EndpointHeartbeat, platform.EndpointHealth, platform.EndpointStats} {
		e := platform.Builtin("api.top", name)
		if err := w.client("kernel.discovery").Call(t.Context(), e, e.NewRequest(), e.NewResponse()); err != nil {
			t.Errorf("kernel.discovery calls %s of api.top: %v, want allowed", name, err)
		}
	}
}

func TestGrants(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		env.Grant("core.b", "core.a", "do")
		env.Grant("core.c", "core.a", "*")
		env.Grant("core.d", "core.a", "other")
		env.Grant("core.e", "core.x", "do")
		env.Grant("api.gateway", "core.a", "*")
		do := endpoint("core.a", "do", func(e *rpc.Endpoint) { e.Roles = nil })
		s := platform.New("core.a", platform.Logger(quiet))
		s.Handle(do, text(echo))
		env.Start(s)
		for caller, want := range map[string]string{
			"core.b": "", "core.c": "", "core.d": forbidden, "core.e": forbidden, "core.f": forbidden, "api.gateway": anonymous,
		} {
			if _, err := say(t.Context(), env.ClientAs(caller), do, ""); fault.ReasonOf(err) != want {
				t.Errorf("%s calls core.a do: %v, want %q", caller, err, want)
			}
		}
	})
}
