package config

import (
	"context"
	"slices"
	"strings"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/kernel/config/document"
	"github.com/hansom-platform/hansom/platform"
)

// caller is who asks. The platform has let it pass by the endpoint's roles and grants; here is
// decided what it may see.
type caller struct {
	service string // proven, or ""
	admin   bool   // an administrator's request, or of a service of the kernel
	author  string // what goes into the history
}

func callerOf(ctx context.Context) caller {
	c := caller{service: platform.CallerOf(ctx).Service, author: platform.Author(ctx)}
	user, ok := platform.UserOf(ctx)
	c.admin = isKernel(c.service) || ok && user.Has(platform.RoleAdmin)
	return c
}

func isKernel(service string) bool { return strings.HasPrefix(service, "kernel.") }

// mayRead tells whether the caller may see a document at all.
func (c caller) mayRead(id string) bool { return c.admin || !isLayer(id) && !isSchema(id) }

// mayCompile tells whether the caller may compile a service's configuration.
func (c caller) mayCompile(service string) error {
	if c.admin || service != "" && c.service == service {
		return nil
	}
	return denied("a service compiles only its own configuration; %q asked for that of %q", c.author, service)
}

// mayEdit tells whether the caller may write a document. Who is no administrator was granted the
// endpoint, and that is for documents that stand apart.
func (c caller) mayEdit(id string) error {
	if c.mayRead(id) {
		return nil
	}
	return denied("%q is no administrator and may not write %s", c.author, id)
}

// reads tells whether the caller may read a secret: the service must be among its readers, whoever the
// user is. What a user of the service has asked for may be shown to that user, so an administrator's
// request through a service is no exception.
func (c caller) reads(s document.Secret) bool {
	return c.service != "" && slices.Contains(s.For, c.service)
}

func denied(detail string, args ...any) error {
	return fault.New(fault.Forbidden, "kernel.config.forbidden", "you may not do this").WithDetail(detail, args...)
}

// verify tells who a bearer of HTTP is: a service by its assertion, or an administrator by its token.
func (s *server) verify(token string) (caller, error) {
	v := s.verifier()
	service, _, notService := v.Assertion(token, Audience)
	if notService == nil {
		return caller{service: service, author: service, admin: isKernel(service)}, nil
	}
	user, notUser := v.User(token)
	switch {
	case notUser != nil:
		return caller{}, fault.New(fault.Unauthorized, "kernel.config.unauthorized",
			"the token is not accepted; it must be a service's assertion for kernel.config that is not older than a minute, or an administrator's token").
			WithDetail("as an assertion: %v; as a user's token: %v", notService, notUser)
	case !user.Has(platform.RoleAdmin):
		return caller{}, denied("user %s is no administrator", user.ID)
	}
	return caller{author: user.ID, admin: true}, nil
}
