package login

import (
	"cmp"
	"context"
	"strings"

	"github.com/hansom-platform/hansom/platform"
)

// actor names who makes the request: the user, the service, or the word that an operator gave.
func actor(ctx context.Context) string {
	if u, ok := platform.UserOf(ctx); ok {
		return cmp.Or(u.Actor, u.ID)
	}
	return platform.CallerOf(ctx).Name()
}

// callerIsAdmin reports whether the caller has the role ADMIN, as services of the kernel do.
func callerIsAdmin(ctx context.Context) bool {
	if u, ok := platform.UserOf(ctx); ok && u.Has(platform.RoleAdmin) {
		return true
	}
	return strings.HasPrefix(platform.CallerOf(ctx).Service, "kernel.")
}
