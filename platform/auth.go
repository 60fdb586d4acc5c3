package platform

import (
	"context"
	"slices"
	"strings"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform/auth"
	"github.com/hansom-platform/hansom/proto/rpc"
)

// Roles that every environment knows. An endpoint's roles are those of which a
// caller needs one; an endpoint that declares none needs RoleAdmin.
const (
	RoleAdmin   = auth.Admin // operators, and the kernel
	RoleService = "SERVICE"  // any service that has proven which it is
	RoleAnyone  = "ANYONE"
)

// Operator is the name under which operators call. It proves nothing: what they may
// is said by their user tokens.
const Operator = "operator"

// Authoriser decides whether c may call e, on behalf of UserOf(ctx). It returns nil or
// a fault, Unauthorized or Forbidden as a rule. The fault's detail is for operators:
// it is logged and remembered, and does not reach the caller.
type Authoriser func(ctx context.Context, e *rpc.Endpoint, c Caller) error

const tierKernel = "kernel"

// gateway speaks for people, whom it lets in by their tokens. It is never granted
// anything, and counts as a service only to the kernel: what it carries elsewhere is
// what anybody may have sent.
const gateway = "api.gateway"

// tiers, from the top down. Calls go down, never up.
var tiers = []string{"api", "orchestration", "core", tierKernel}

func tierOf(service string) int {
	tier, _, _ := strings.Cut(service, ".")
	return slices.Index(tiers, tier)
}

// Reasons of denials.
const (
	reasonUpward    = "platform.forbidden.upward"
	reasonRole      = "platform.forbidden.role"
	reasonAnonymous = "platform.unauthorized.anonymous"
)

// DefaultAuthoriser judges by what is proven: the service that calls, and the user on
// whose behalf. A service may call its own tier, the tiers below and the built-in
// endpoints of every instance. Within that, a call may be made that is open to anyone;
// whose user has one of the endpoint's roles, or one that implies it; by any service
// where RoleService is among the roles; by a service that was granted the endpoint; and
// by the kernel. The gateway's own word counts towards the kernel only.
func DefaultAuthoriser(ctx context.Context, e *rpc.Endpoint, c Caller) error {
	from := tierOf(c.Service)
	if from > tierOf(e.Service) && !rpc.IsBuiltin(e.Name) {
		return denied(fault.Forbidden, reasonUpward, e).WithDetail(
			"%s may not call %s %s: calls go down the tiers (api, orchestration, core, kernel), never up", c.Service, e.Service, e.Name)
	}
	s := scopeOf(ctx)
	if from >= 0 && tiers[from] == tierKernel || slices.Contains(e.Roles, RoleAnyone) || s.mayUse(e) {
		return nil
	}
	return s.denial(e, c)
}

// mayUse reports whether user, service or grant lets the request in.
func (s *scope) mayUse(e *rpc.Endpoint) bool {
	proven := s.identity != nil && (s.identity.Service != gateway || tierOf(e.Service) == len(tiers)-1)
	for _, role := range e.Roles {
		if role == RoleService && proven || s.user != nil && role != RoleService && s.user.Has(role) {
			return true
		}
	}
	if s.user != nil && s.user.Has(RoleAdmin) {
		return true
	}
	return proven && s.identity.Service != gateway && s.identity.Granted(e.Name)
}

// denial says why a request was refused: a proof that did not hold comes first, since
// a fresh one may mend it.
func (s *scope) denial(e *rpc.Endpoint, c Caller) error {
	switch {
	case s.badIdentity != nil:
		return about(s.badIdentity, e, c)
	case s.user == nil && s.badUser != nil && (s.identity == nil || c.Service == gateway):
		return about(s.badUser, e, c)
	case s.user == nil && (s.identity == nil || c.Service == gateway):
		return denied(fault.Unauthorized, reasonAnonymous, e).WithDetail(
			"%s called %s %s with neither a user's token nor a service's; it needs %s", c.orNobody(), e.Service, e.Name, needs(e))
	}
	return denied(fault.Forbidden, reasonRole, e).WithDetail(
		"%s, %s, may not call %s %s: it needs %s", c.orNobody(), s.onBehalf(), e.Service, e.Name, needs(e))
}

// denied is all that the caller learns.
func denied(code fault.Code, reason string, e *rpc.Endpoint) *fault.Error {
	return fault.New(code, reason, "%s %s: the call is denied", e.Service, e.Name)
}

// about returns what is wrong with a proof as a denial.
func about(err *fault.Error, e *rpc.Endpoint, c Caller) error {
	return denied(err.Code, err.Reason, e).WithDetail("%s called %s %s: %s", c.orNobody(), e.Service, e.Name, err.Detail)
}

func needs(e *rpc.Endpoint) string {
	roles := RoleAdmin
	if len(e.Roles) > 0 {
		roles = strings.Join(e.Roles, ", ")
	}
	return "one of the roles " + roles + ", or a grant"
}

func (s *scope) onBehalf() string {
	if s.user == nil {
		return "on behalf of no user"
	}
	return "on behalf of a user with the roles " + orDefault(strings.Join(s.user.Roles, ", "), "of nobody")
}
