package app

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hansom-platform/hansom/coord"
	"github.com/hansom-platform/hansom/gateway"
	"github.com/hansom-platform/hansom/kernel/binding"
	"github.com/hansom-platform/hansom/kernel/config"
	"github.com/hansom-platform/hansom/kernel/discovery"
	"github.com/hansom-platform/hansom/kernel/login"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/services/api/v1/customer"
	"github.com/hansom-platform/hansom/services/api/v1/driver"
	"github.com/hansom-platform/hansom/services/core/city"
	"github.com/hansom-platform/hansom/services/core/eta"
	"github.com/hansom-platform/hansom/services/core/profile"
	"github.com/hansom-platform/hansom/services/core/routing"
	"github.com/hansom-platform/hansom/services/core/state"
	"github.com/hansom-platform/hansom/services/orchestration/neardrivers"
)

// catalogue holds every service of this build.
var catalogue = map[string]constructor{
	discovery.Name: kernel(func(c *coord.Coord, opts ...platform.Option) *platform.Service {
		return discovery.New(c, discovery.Config{}, opts...)
	}),
	binding.Name: kernel(func(c *coord.Coord, opts ...platform.Option) *platform.Service {
		return binding.New(c, binding.Config{}, opts...)
	}),
	config.Name:                 newConfig,
	login.Name:                  newLogin,
	gateway.Name:                newGateway,
	"api.v1.customer":           plain(customer.Service),
	"api.v1.driver":             plain(driver.Service),
	"orchestration.neardrivers": plain(neardrivers.Service),
	"core.city":                 plain(city.Service),
	"core.eta":                  plain(eta.Service),
	"core.profile":              plain(profile.Service),
	"core.routing":              plain(routing.Service),
	"core.state":                plain(state.Service),
}

// Services are the names of all services of this build, in alphabetical order.
func Services() []string { return slices.Sorted(maps.Keys(catalogue)) }

// PlatformServices are the names of those that are no business's: the kernel and
// the thin API.
func PlatformServices() []string {
	return slices.DeleteFunc(Services(), func(name string) bool { return !isKernel(name) && name != gateway.Name })
}

func isKernel(name string) bool { return strings.HasPrefix(name, "kernel.") }

// An instance is a service about to run, with what it needs.
type instance struct {
	service *platform.Service
	run     func(ctx context.Context, dial platform.Dial) error
	ready   <-chan struct{} // closed when the instance is registered, and listens
	close   func()          // after run; nil where nothing is to close
}

// A constructor makes an instance with the options that every one gets.
type constructor func(ctx context.Context, a *App, opts []platform.Option) (*instance, error)

// plain is a service that needs nothing but the bus.
func plain(service func(...platform.Option) *platform.Service) constructor {
	return func(_ context.Context, _ *App, opts []platform.Option) (*instance, error) {
		s := service(opts...)
		return &instance{service: s, run: s.Run, ready: s.Ready()}, nil
	}
}

// kernel is a service that needs coordination.
func kernel(service func(*coord.Coord, ...platform.Option) *platform.Service) constructor {
	return func(ctx context.Context, a *App, opts []platform.Option) (*instance, error) {
		c, err := a.openCoord(ctx)
		if err != nil {
			return nil, err
		}
		s := service(c, opts...)
		return &instance{service: s, run: s.Run, ready: s.Ready(), close: func() { closeCoord(ctx, c) }}, nil
	}
}

func closeCoord(ctx context.Context, c *coord.Coord) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = c.Close(ctx) // should it fail, sessions end by themselves
}

func newLogin(_ context.Context, a *App, opts []platform.Option) (*instance, error) {
	s := login.New(a.environment.store, a.loginConfig(), opts...)
	return &instance{service: s, run: s.Run, ready: s.Ready()}, nil
}

func newConfig(_ context.Context, a *App, opts []platform.Option) (*instance, error) {
	s := config.New(a.environment.store, config.Config{
		Environment: a.config.Environment, Region: a.config.Zone.Region,
		Listen: a.config.ConfigListen, Key: a.environment.keys.Config,
	}, opts...)
	run := func(ctx context.Context, dial platform.Dial) error {
		if err := s.Start(ctx); err != nil {
			return err
		}
		if s.Addr() != "" {
			a.note(func(admin *Admin) { admin.Config = baseURL(s.Addr()) })
		}
		return s.Run(ctx, dial)
	}
	return &instance{service: s.Service, run: run, ready: s.Ready()}, nil
}

// options are what every instance of a service gets.
func (a *App) options(ctx context.Context, service string) ([]platform.Option, error) {
	credential, err := a.credential(ctx, service)
	if err != nil {
		return nil, err
	}
	options := []platform.Option{
		platform.Credential(credential),
		platform.Place(a.config.Zone),
		platform.Version(a.config.Version),
		platform.Overlay(a.config.Overlay),
		platform.Logger(a.log),
		platform.Timing(platform.Timings{Drain: a.config.Drain}),
	}
	if a.folder != nil {
		options = append(options, platform.ConfigCache(filepath.Join(a.folder.path, "cache")))
	}
	return options, nil
}
