package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hansom-platform/hansom/app/broker"
	"github.com/hansom-platform/hansom/app/dial"
	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/coord"
	"github.com/hansom-platform/hansom/kernel/binding"
	"github.com/hansom-platform/hansom/kernel/config"
	"github.com/hansom-platform/hansom/kernel/discovery"
	"github.com/hansom-platform/hansom/kernel/login"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/auth"
	"github.com/hansom-platform/hansom/store"
)

const (
	environment = "bench"
	password    = "a rather long pass phrase"

	// roleCustomer is the role of the customers, and the one that the echo endpoint asks for.
	roleCustomer = "CUSTOMER"
)

var zone = bus.Zone{Region: "local", Zone: "a"}

// customers that log in.
var customers = []string{"ada", "bela", "carl", "dora", "emma", "finn", "gwen", "hugo"}

// A house is a platform with its whole kernel on an embedded broker and a store in
// a file: the same parts in the same order as `hansom up`, without the city.
type house struct {
	bus     string // its URL where that is not the embedded broker
	broker  *broker.Broker
	store   *store.Store
	keys    login.Config
	root    *auth.Root
	admin   string // token of the administrator
	user    string // token of a customer
	ctx     context.Context
	parts   sync.WaitGroup
	closers []func() // called in reverse
}

func openHouse(ctx context.Context) (*house, error) { return openHouseOn(ctx, "") }

// openHouseOn opens one whose bus is at a URL; coordination stays on the embedded broker.
func openHouseOn(ctx context.Context, bus string) (*house, error) {
	h := &house{bus: bus}
	for _, open := range []func(context.Context) error{h.openBroker, h.openStore, h.openKernel} {
		if err := open(ctx); err != nil {
			h.close()
			return nil, err
		}
	}
	return h, nil
}

// close ends the parts, then what they stand on.
func (h *house) close() {
	for len(h.closers) > 0 {
		last := len(h.closers) - 1
		h.closers[last]()
		h.closers = h.closers[:last]
	}
}

func (h *house) closing(f func()) { h.closers = append(h.closers, f) }

func (h *house) openBroker(ctx context.Context) error {
	b, stop, err := startBroker(ctx)
	if err != nil {
		return err
	}
	h.broker = b
	h.closing(stop)
	return nil
}

// openStore opens the store and makes the users and what the kernel needs to know who is who.
func (h *house) openStore(ctx context.Context) error {
	folder, err := os.MkdirTemp("", "hansom-bench-")
	if err != nil {
		return err
	}
	h.closing(func() { _ = os.RemoveAll(folder) })
	if h.store, err = (dial.Dialer{}).Store(ctx, dial.SQLiteURL(filepath.Join(folder, "store.db"))); err != nil {
		return err
	}
	h.closing(func() { _ = h.store.Close(context.WithoutCancel(ctx)) })
	h.keys = login.Config{Environment: environment, Key: make([]byte, auth.MasterSize)}
	_, _ = rand.Read(h.keys.Key) // it never fails
	if h.root, err = auth.NewRoot(environment, h.keys.Key); err != nil {
		return err
	}
	seed := login.Seed{Users: []login.SeedUser{{Application: "admin", Identifiers: []string{"root"}, Password: password, Roles: []string{platform.RoleAdmin}}}}
	for _, name := range customers {
		seed.Users = append(seed.Users, login.SeedUser{Application: "customer", Identifiers: []string{name}, Password: password, Roles: []string{roleCustomer}})
	}
	if _, err := login.Bootstrap(ctx, h.store, h.keys, seed); err != nil {
		return err
	}
	admin, err := login.OpenSession(ctx, h.store, h.keys, "admin", "root", "bench")
	if err != nil {
		return err
	}
	customer, err := login.OpenSession(ctx, h.store, h.keys, "customer", customers[0], "bench")
	h.admin, h.user = admin.Token, customer.Token
	return err
}

func (h *house) openKernel(ctx context.Context) error {
	c, err := dial.Coord(ctx, h.broker.URL())
	if err != nil {
		return err
	}
	h.closing(func() { _ = c.Close(context.WithoutCancel(ctx)) })
	var stop context.CancelFunc
	h.ctx, stop = context.WithCancel(ctx)
	h.closing(func() { stop(); h.parts.Wait() })
	kernel, err := h.kernel(c)
	if err != nil {
		return err
	}
	var started []func() error
	for _, p := range kernel { // login is not registered before discovery is there, which needs login
		started = append(started, h.start(p))
	}
	for _, await := range started {
		if err := await(); err != nil {
			return err
		}
	}
	return h.awaitBound(ctx, len(kernel))
}

// awaitBound returns when so many instances can be called.
func (h *house) awaitBound(ctx context.Context, instances int) error {
	b, err := h.dial("bench")(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = b.Close(context.WithoutCancel(ctx)) }()
	for {
		bindings, err := b.Bindings(ctx, zone)
		if err != nil || len(bindings) >= instances {
			return err
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (h *house) kernel(c *coord.Coord) ([]part, error) {
	key := make([]byte, config.KeySize)
	_, _ = rand.Read(key)
	var failed []error
	options := func(service string) []platform.Option {
		opts, err := h.options(service)
		failed = append(failed, err)
		return opts
	}
	settings := config.Config{Environment: environment, Listen: "none", Key: key}
	parts := []part{
		login.New(h.store, h.keys, options(login.Name)...),
		discovery.New(c, discovery.Config{}, options(discovery.Name)...),
		binding.New(c, binding.Config{}, options(binding.Name)...),
		config.New(h.store, settings, options(config.Name)...),
	}
	return parts, errors.Join(failed...)
}

// options are what every instance of a service gets.
func (h *house) options(service string) ([]platform.Option, error) {
	credential, err := h.root.Enrol(service, 24*time.Hour)
	return []platform.Option{platform.Credential(&credential), platform.Place(zone), platform.ConfigCache("")}, err
}

// service makes an instance without endpoints.
func (h *house) service(name string) (*platform.Service, error) {
	opts, err := h.options(name)
	if err != nil {
		return nil, err
	}
	return platform.New(name, opts...), nil
}

// dial connects as the parts of `hansom up` do: inside the process where the bus is.
func (h *house) dial(name string) platform.Dial {
	return func(ctx context.Context) (*bus.Bus, error) {
		if h.bus != "" {
			return dial.Dialer{Name: name}.Bus(ctx, h.bus, zone)
		}
		return dial.Dialer{Name: name, Inside: h.broker}.Bus(ctx, h.broker.URL(), zone)
	}
}

// part is an instance, as Services of platform and of kernel.config are.
type part interface {
	Name() string
	Ready() <-chan struct{}
	Run(ctx context.Context, dial platform.Dial) error
}

// start starts a service. The result returns when it is registered.
func (h *house) start(p part) (await func() error) { return h.startOver(p, h.dial(p.Name())) }

// startOver starts a service over a connection of the caller's choice.
func (h *house) startOver(p part, dial platform.Dial) (await func() error) {
	failed := make(chan error, 1)
	h.parts.Go(func() { failed <- p.Run(h.ctx, dial) })
	return func() error {
		select {
		case <-p.Ready():
			return nil
		case err := <-failed:
			return errors.Join(fmt.Errorf("%s did not start", p.Name()), err)
		}
	}
}

// caller runs an instance of core.caller, which calls the others.
func (h *house) caller() (*platform.Service, error) {
	s, err := h.service("core.caller")
	if err != nil {
		return nil, err
	}
	return s, h.start(s)()
}

// operator is a client that calls with the token of the administrator.
func (h *house) operator(ctx context.Context) (*platform.Client, error) {
	b, err := h.dial("bench")(ctx)
	if err != nil {
		return nil, err
	}
	h.closing(func() { _ = b.Close(context.WithoutCancel(ctx)) })
	return platform.NewClient(platform.Operator, b, platform.Token(func(context.Context) (string, error) { return h.admin, nil })), nil
}
