package app

import (
	"context"

	"github.com/hansom-platform/hansom/services/sim"
)

// runTaxis drives the demo's taxis, through the thin API of this app.
func (a *App) runTaxis(ctx context.Context, ready func()) error {
	s, err := sim.New(sim.Config{API: a.Admin().API, City: a.config.City, Drivers: a.config.Taxis, Seed: demoSeed, Logger: a.log})
	if err != nil {
		return err
	}
	ready()
	return s.Run(ctx)
}

// demoSeed gives every demo the same drivers.
const demoSeed = 2014
