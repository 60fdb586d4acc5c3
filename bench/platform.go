package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/hansom-platform/hansom/app/broker"
	"github.com/hansom-platform/hansom/app/dial"
	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/kernel/binding"
	"github.com/hansom-platform/hansom/kernel/discovery"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/proto/rpc"
)

var zone = bus.Zone{Region: "local", Zone: "a"}

// echo is the endpoint under load.
var echo = &rpc.Endpoint{
	Service: "core.echo", Name: "echo", Roles: []string{platform.RoleService},
	Mean: time.Millisecond, Upper95: time.Second, Idempotent: true,
	NewRequest:  func() proto.Message { return new(wrapperspb.BytesValue) },
	NewResponse: func() proto.Message { return new(wrapperspb.BytesValue) },
}

// A house is a platform with its kernel on an embedded broker: the same parts in
// the same order as `hansom up`, without the city.
type house struct {
	broker *broker.Broker
	ctx    context.Context // of the parts
	parts  sync.WaitGroup
	close  func()
}

func openHouse(ctx context.Context) (*house, error) {
	b, closeBroker, err := startBroker(ctx)
	if err != nil {
		return nil, err
	}
	h := &house{broker: b}
	var stop context.CancelFunc
	h.ctx, stop = context.WithCancel(ctx)
	c, err := dial.Coord(ctx, b.URL())
	if err != nil {
		stop()
		closeBroker()
		return nil, err
	}
	h.close = func() {
		stop()
		h.parts.Wait()
		_ = c.Close(context.WithoutCancel(ctx))
		closeBroker()
	}
	for _, s := range []*platform.Service{
		discovery.New(c, discovery.Config{}, platform.Place(zone)),
		binding.New(c, binding.Config{}, platform.Place(zone)),
	} {
		if err := h.run(s); err != nil {
			h.close()
			return nil, err
		}
	}
	return h, nil
}

// dial connects as the parts of `hansom up` do, inside the process.
func (h *house) dial(name string) platform.Dial {
	return func(ctx context.Context) (*bus.Bus, error) {
		return dial.Dialer{Name: name, Inside: h.broker}.Bus(ctx, h.broker.URL(), zone)
	}
}

// run starts a service and returns when it is registered.
func (h *house) run(s *platform.Service) error {
	failed := make(chan error, 1)
	h.parts.Go(func() { failed <- s.Run(h.ctx, h.dial(s.Name())) })
	select {
	case <-s.Ready():
		return nil
	case err := <-failed:
		return errors.Join(fmt.Errorf("%s did not start", s.Name()), err)
	}
}

// echoService is an instance of what answers.
func echoService() *platform.Service {
	s := platform.New(echo.Service, platform.Place(zone))
	s.Handle(echo, func(_ context.Context, m proto.Message) (proto.Message, error) { return m, nil })
	return s
}

// callEcho calls once.
func callEcho(ctx context.Context, c rpc.Caller, body []byte) error {
	response := new(wrapperspb.BytesValue)
	err := c.Call(ctx, echo, wrapperspb.Bytes(body), response)
	if err == nil && len(response.GetValue()) != len(body) {
		err = fmt.Errorf("sent %d bytes, got %d", len(body), len(response.GetValue()))
	}
	return err
}

// awaitEcho calls until an instance answers.
func awaitEcho(ctx context.Context, c rpc.Caller) error {
	for {
		err := callEcho(ctx, c, nil)
		if err == nil || !fault.Is(err, fault.NoRoute) {
			return err
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// startPlatform is a call of one service by another with everything on: routed by
// bindings, with a deadline, trace context, authorisation, breaker, metrics and
// the memory of recent hops on both sides.
func startPlatform(ctx context.Context) (peer, error) {
	h, err := openHouse(ctx)
	if err != nil {
		return peer{}, err
	}
	caller := platform.New("core.caller", platform.Place(zone))
	if err := errors.Join(h.run(echoService()), h.run(caller)); err != nil {
		h.close()
		return peer{}, err
	}
	if err := awaitEcho(ctx, caller); err != nil {
		h.close()
		return peer{}, err
	}
	return peer{
		call: func(ctx context.Context, body []byte) error {
			ctx, cancel := context.WithTimeout(ctx, callTimeout)
			defer cancel()
			return callEcho(platform.WithCohort(ctx, 4711), caller, body)
		},
		close: h.close,
	}, nil
}

// measureStart starts instances of a service that nobody runs and calls it until
// it answers, one instance after the other.
func measureStart(ctx context.Context, o options) (any, error) {
	h, err := openHouse(ctx)
	if err != nil {
		return nil, err
	}
	defer h.close()
	caller := platform.New("core.caller", platform.Place(zone))
	if err := h.run(caller); err != nil {
		return nil, err
	}
	var took []time.Duration
	for i := range o.starts {
		progress("instance %d of %d", i+1, o.starts)
		d, err := h.startOne(caller)
		if err != nil {
			return nil, err
		}
		took = append(took, d)
	}
	slices.Sort(took)
	p50, p99 := quantile(took, 0.5), quantile(took, 0.99)
	fmt.Printf("  %d instances: p50 %v, p99 %v\n", o.starts, p50.Round(100*time.Microsecond), p99.Round(100*time.Microsecond))
	return map[string]any{"starts": o.starts, "p50_ns": p50, "p99_ns": p99}, nil
}

func (h *house) startOne(caller *platform.Service) (time.Duration, error) {
	ctx, stop := context.WithCancel(h.ctx)
	s := echoService()
	ended := make(chan error, 1)
	began := time.Now()
	go func() { ended <- s.Run(ctx, h.dial(s.Name())) }()
	err := awaitEcho(ctx, caller)
	took := time.Since(began)
	stop()
	return took, errors.Join(err, <-ended)
}
