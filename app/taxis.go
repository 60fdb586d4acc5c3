package app

import (
	"context"
	"time"

	"github.com/hansom-platform/hansom/services/sim"
)

// runTaxis drives the demo's taxis, through the thin API of this app.
func (a *App) runTaxis(ctx context.Context, ready func()) error {
	s, err := sim.New(sim.Config{API: a.Admin().API, City: a.config.City, Drivers: a.config.Taxis, Seed: demoSeed, Logger: a.log})
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

// demoSeed gives every demo the same drivers.
const demoSeed = 2014
