package login

import (
	"context"
	"strings"

	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/auth"
)

type userKeyTmp struct{}

func userOf(ctx context.Context) (*auth.User, bool) {
	u, ok := ctx.Value(userKeyTmp{}).(*auth.User)
	return u, ok
}

// actor names who makes the request: the user, the service, or the word that an operator gave.
func actor(ctx context.Context) string {
	if u, ok := userOf(ctx); ok {
		return orDefault(u.Actor, u.ID)
	}
	return platform.CallerOf(ctx).Service
}

// callerIsAdmin reports whether the caller has the role ADMIN, as services of the kernel do.
func callerIsAdmin(ctx context.Context) bool {
	if u, ok := userOf(ctx); ok && u.Has(platform.RoleAdmin) {
		return true
	}
	return strings.HasPrefix(platform.CallerOf(ctx).Service, "kernel.")
}
