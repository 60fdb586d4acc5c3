package config

import (
	"context"
	"strings"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/kernel/config/document"
	"github.com/hansom-platform/hansom/platform"
)

// caller is who asks. The platform has let it pass by the endpoint's roles and grants; here is
// decided what it may see.
type caller struct {
	service string // proven, or ""
	admin   bool   // an administrator, or a service of the kernel
	author  string // what goes into the history
}

func callerOf(ctx context.Context) caller {
	c := caller{service: platform.CallerOf(ctx).Service}
	if c.service == platform.Operator {
		c.service, c.admin = "", true
	}
	c.author = c.service
	if strings.HasPrefix(c.service, "kernel.") {
		c.admin = true
	}
	return c
}

// mayRead tells whether the caller may see a document at all.
func (c caller) mayRead(id string) bool { return c.admin || !isLayer(id) && !isSchema(id) }

// mayCompile tells whether the caller may compile a service's configuration.
func (c caller) mayCompile(service string) error {
	if c.admin || service != "" && c.service == service {
		return nil
	}
	return denied("a service compiles only its own configuration; %q asked for that of %q", c.service, service)
}

// mayEdit tells whether the caller may write a document. Who is no administrator was granted the
// endpoint, and that is for documents that stand apart.
func (c caller) mayEdit(id string) error {
	if c.mayRead(id) {
		return nil
	}
	return denied("%q is no administrator and may not write %s", c.author, id)
}

// reads tells whether the caller may read a secret: administrators may not.
func (c caller) reads(s document.Secret) bool {
	for _, reader := range s.For {
		if reader == c.service {
			return true
		}
	}
	return false
}

func denied(detail string, args ...any) error {
	return fault.New(fault.Forbidden, "kernel.config.forbidden", "you may not do this").WithDetail(detail, args...)
}

// verify tells who a bearer of HTTP is.
func (s *server) verify(token string) (caller, error) {
	return caller{}, fault.New(fault.Unauthorized, "kernel.config.unauthorized", "the token is not valid")
}
