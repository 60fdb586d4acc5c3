package app

import (
	"context"
	"strings"
	"time"

	"github.com/hansom-platform/hansom/kernel/login"
	"github.com/hansom-platform/hansom/services/sim"
)

// runTaxis drives the demo's taxis, through the thin API of this app.
func (a *App) runTaxis(ctx context.Context, ready func()) error {
	admin := a.Admin()
	fleet := admin.Demo["fleet"]
	if fleet.Password == "" {
		a.log.Warn("no taxis: admin.json has lost the password of their user; to have it made anew: hansom user delete demo-fleet --application driver, and start again")
		ready()
		<-ctx.Done()
		return nil
	}
	s, err := sim.New(sim.Config{
		API: admin.API, Identifier: fleet.Identifier, Password: fleet.Password,
		City: a.config.City, Drivers: a.config.Taxis, Seed: demoSeed, Logger: a.log,
	})
	if err != nil {
		return err
	}
	go func() {
		if awaitReports(ctx, s, a.config.Taxis/10) {
			ready()
		}
	}()
	return s.Run(ctx)
}

const (
	reportsInterval = 20 * time.Millisecond
	reportsPatience = 2 * time.Second
)

// awaitReports waits until the first positions are known, so that whoever asks for drivers
// once the app is ready finds some. It does not wait for long: taxis are no part
// of the platform.
func awaitReports(ctx context.Context, s *sim.Sim, want int) bool {
	tick := time.NewTicker(reportsInterval)
	defer tick.Stop()
	patience := time.NewTimer(reportsPatience)
	defer patience.Stop()
	for s.Stats().Reports < int64(max(want, 1)) {
		select {
		case <-tick.C:
		case <-patience.C:
			return true
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// demoUsers are the users of the demo, by their names in admin.json.
var demoUsers = map[string]login.SeedUser{
	"customer": {Application: "customer", Identifiers: []string{"demo-customer"}, Roles: []string{"CUSTOMER"}},
	"driver":   {Application: "driver", Identifiers: []string{"demo-driver"}, Roles: []string{"DRIVER"}},
	"fleet":    {Application: "driver", Identifiers: []string{"demo-fleet"}, Roles: []string{"FLEET"}},
}

func demoName(u login.SeedUser) string { return strings.TrimPrefix(u.Identifiers[0], "demo-") }

// demoGrants are what the taxi services may do of each other that not every service may.
var demoGrants = []login.Grant{
	{Service: "core.profile", Endpoint: "write", Caller: "api.v1.driver"},
	{Service: "core.profile", Endpoint: "read", Caller: "orchestration.neardrivers"},
	{Service: "core.state", Endpoint: "report", Caller: "api.v1.driver"},
	{Service: "core.profile", Endpoint: "dump", Caller: "core.profile"}, // a new instance copies from another
	{Service: "core.state", Endpoint: "dump", Caller: "core.state"},
}

// demoSeed gives every demo the same drivers.
const demoSeed = 2014
