package platform

import (
	"context"
	"slices"
	"strings"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/proto/rpc"
)

// Roles that every environment knows. An endpoint's roles are those of which a
// caller needs one; an endpoint that declares none needs RoleAdmin.
const (
	RoleAdmin   = "ADMIN"   // operators, and the kernel
	RoleService = "SERVICE" // any service
	RoleAnyone  = "ANYONE"
)

// Operator is the name under which operators call.
const Operator = "operator"

// Authoriser decides whether c may call e. It returns nil or a fault, Forbidden as
// a rule.
type Authoriser func(ctx context.Context, e *rpc.Endpoint, c Caller) error

const tierKernel = "kernel"

// tiers, from the top down. Calls go down, never up.
var tiers = []string{"api", "orchestration", "core", tierKernel}

func tierOf(service string) int {
	tier, _, _ := strings.Cut(service, ".")
	return slices.Index(tiers, tier)
}

// DefaultAuthoriser believes the name that the caller gives. Operators and the
// kernel have the roles ADMIN and SERVICE, other services SERVICE, and everybody
// ANYONE. A service may call its own tier, the tiers below and the built-in
// endpoints of every instance.
func DefaultAuthoriser(_ context.Context, e *rpc.Endpoint, c Caller) error {
	from := tierOf(c.Service)
	if from > tierOf(e.Service) && !rpc.IsBuiltin(e.Name) {
		return fault.New(fault.Forbidden, "platform.forbidden.upward",
			"%s may not call %s %s: calls go down the tiers (api, orchestration, core, kernel), never up", c.Service, e.Service, e.Name)
	}
	if allowed(e.Roles, c.Service, from) {
		return nil
	}
	return fault.New(fault.Forbidden, "platform.forbidden.role",
		"%s may not call %s %s: it needs one of the roles %s", orDefault(c.Service, "a caller without a name"), e.Service, e.Name, rolesText(e.Roles))
}

func allowed(needs []string, service string, tier int) bool {
	admin := service == Operator || tier >= 0 && tiers[tier] == tierKernel
	if len(needs) == 0 {
		return admin
	}
	for _, role := range needs {
		switch role {
		case RoleAnyone:
			return true
		case RoleAdmin:
			if admin {
				return true
			}
		case RoleService:
			if admin || tier >= 0 {
				return true
			}
		}
	}
	return false
}

func rolesText(roles []string) string {
	if len(roles) == 0 {
		return RoleAdmin
	}
	return strings.Join(roles, ", ")
}
