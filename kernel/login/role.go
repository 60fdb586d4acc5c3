package login

import (
	"slices"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/auth"
)

// checkRoles validates roles that a user of an application is to have and returns
// them sorted, each once. SERVICE and ANYONE are no user's, and ADMIN is only for
// users of the application admin, whose passwords have stricter rules.
func checkRoles(application string, roles []string) ([]string, error) {
	refuse := func(role, why string) ([]string, error) {
		return nil, fault.New(fault.BadRequest, "kernel.login.role", "role %.70q: %s", role, why)
	}
	if len(roles) > maxRoles {
		return nil, fault.New(fault.BadRequest, "kernel.login.role", "%d roles: a user has at most %d", len(roles), maxRoles)
	}
	for _, role := range roles {
		switch {
		case !auth.ValidRole(role):
			return refuse(role, "a role is capital letters, digits and '_' in words joined by dots, such as DRIVER or FLEET.LONDON")
		case auth.Implies(platform.RoleService, role), auth.Implies(platform.RoleAnyone, role):
			return refuse(role, "it is the platform's own and cannot be given to a user")
		case isAdmin([]string{role}) && application != adminApplication:
			return refuse(role, "only users of the application \"admin\" may have it")
		}
	}
	sorted := slices.Clone(roles)
	slices.Sort(sorted)
	return slices.Compact(sorted), nil
}

// adminApplication is the one whose users may have the role ADMIN.
const adminApplication = "admin"

// isAdmin reports whether one of the roles is ADMIN or above it.
func isAdmin(roles []string) bool { return implied(roles, platform.RoleAdmin) }

// implied reports whether one of the roles is role or above it.
func implied(roles []string, role string) bool {
	return slices.ContainsFunc(roles, func(have string) bool { return auth.Implies(have, role) })
}

// loses reports whether somebody who had the roles before has fewer rights after.
func loses(before, after []string) bool {
	return slices.ContainsFunc(before, func(role string) bool { return !implied(after, role) })
}
