// Package app wires the platform: it is the only package that sees every part.
// The command line, tests and programs that embed a whole platform import it.
//
//	a, err := app.New(app.Config{Data: "./data"})
//	...
//	err = a.Run(ctx) // until ctx ends, or a part fails
//
// An App is an ordered list of stages of parts: the embedded bus, the kernel, the
// services, the thin API, simulated taxis. A stage starts when the one before is
// ready and stops before it. One process or many differ only in which
// services are listed in Config.Services: an instance behaves the same in each.
//
// A part that fails ends the app with an error that names it. Stopping takes at
// most Config.Drain and 2.5 s, with a private RabbitMQ 10 s more; what has not stopped by then is named.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hansom-platform/hansom/app/broker"
	"github.com/hansom-platform/hansom/app/dial"
	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/telemetry"
)

// App is a platform, or a share of one, in this process. It runs once.
type App struct {
	config Config
	log    *slog.Logger
	ready  chan struct{}
	stop   chan struct{} // closed by Close
	done   chan struct{} // closed when Run returns

	stopOnce sync.Once

	folder      *folder     // nil where the bus is not embedded
	environment environment // set while the engines start

	mu        sync.Mutex
	started   bool
	admin     Admin
	broker    *broker.Broker
	instances []string
}

// New checks the configuration. It opens nothing.
func New(c Config) (*App, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	platform.SetBuildVersion(Version())
	return &App{
		config: c,
		log:    c.Logger,
		ready:  make(chan struct{}),
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
	}, nil
}

// Run starts everything and returns nil when ctx ended, or Close was called, and
// all has stopped. Its error names the part that failed.
func (a *App) Run(ctx context.Context) error {
	if err := a.begin(); err != nil {
		return err
	}
	defer close(a.done)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-a.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	if a.config.embedded() {
		f, err := openFolder(a.config.Data)
		if err != nil {
			return err
		}
		defer f.close()
		a.folder = f
	}
	return a.run(ctx)
}

func (a *App) begin() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.started {
		return errors.New("app: Run was called twice")
	}
	a.started = true
	return nil
}

func (a *App) run(ctx context.Context) error {
	if err := checkPorts(ctx, a.config.ports()); err != nil {
		return err
	}
	if err := a.readKeys(); err != nil {
		return err
	}
	stopTelemetry, err := telemetry.Setup(ctx, telemetry.Config{
		Identity: telemetry.Identity{Service: "hansom", Version: a.config.Version, Region: a.config.Zone.Region, Zone: a.config.Zone.Zone},
		Logger:   a.log,
	})
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = stopTelemetry(ctx)
	}()
	r := &runner{log: a.log, limit: a.config.stopLimit()}
	var late error
	err = r.run(ctx, a.stages(), func() { late = a.up() })
	return errors.Join(err, late)
}

// up tells that all is ready. Where that cannot be told, the app stops.
func (a *App) up() error {
	if a.folder != nil {
		if err := a.folder.writeAdmin(a.Admin()); err != nil {
			a.requestStop()
			return err
		}
	}
	close(a.ready)
	return nil
}

// Ready is closed when everything has started and is bound.
func (a *App) Ready() <-chan struct{} { return a.ready }

// Close stops the app and waits until Run has returned.
func (a *App) Close() {
	a.requestStop()
	a.mu.Lock()
	started := a.started
	a.mu.Unlock()
	if started {
		<-a.done
	}
}

func (a *App) requestStop() { a.stopOnce.Do(func() { close(a.stop) }) }

// Admin tells where the running app is reached. It is complete when Ready.
func (a *App) Admin() Admin {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.admin
}

// Instances are the ids of the instances in this app. It is complete when Ready.
func (a *App) Instances() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.instances...)
}

func (a *App) note(change func(*Admin)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.admin)
}

// dialer connects the part of that name to the bus.
func (a *App) dialer(name string) platform.Dial {
	return func(ctx context.Context) (*bus.Bus, error) {
		a.mu.Lock()
		d := dial.Dialer{Name: name, Logger: a.log}
		if a.broker != nil {
			d.Inside = a.broker
		}
		url := a.admin.Bus
		a.mu.Unlock()
		b, err := d.Bus(ctx, url, a.config.Zone)
		if err != nil {
			return nil, fmt.Errorf("connect to the bus at %s: %w", dial.Redacted(url), err)
		}
		return b, nil
	}
}
