package driver

import (
	"context"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/services/api/v1/edge"
)

// actsFor checks that the user may act for the driver. Who has the role FLEET may
// for any; the others are drivers, each for itself, which is what a missing id is
// filled in with.
func actsFor(ctx context.Context, driver *string) error {
	user, ok := platform.UserOf(ctx)
	if !ok || user.Has(edge.RoleFleet) {
		return nil // no user: a service that may call this acts on its own account
	}
	if *driver == "" {
		*driver = user.ID
	}
	if *driver != user.ID {
		return fault.New(fault.Forbidden, "api.v1.driver.other_driver", "driver_id: a driver acts for itself only, as %s or without a driver_id", user.ID)
	}
	return nil
}
