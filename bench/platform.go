package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/proto/rpc"
)

// echo is the endpoint under load. Only a customer may have it called.
var echo = &rpc.Endpoint{
	Service: "core.echo", Name: "echo", Roles: []string{roleCustomer},
	Mean: time.Millisecond, Upper95: time.Second, Idempotent: true,
	NewRequest:  func() proto.Message { return new(wrapperspb.BytesValue) },
	NewResponse: func() proto.Message { return new(wrapperspb.BytesValue) },
}

// echoService is an instance of what answers.
func (h *house) echoService() (*platform.Service, error) {
	s, err := h.service(echo.Service)
	if err != nil {
		return nil, err
	}
	s.Handle(echo, func(_ context.Context, m proto.Message) (proto.Message, error) { return m, nil })
	return s, nil
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

// openEcho runs what answers and returns what calls it.
func (h *house) openEcho(ctx context.Context) (*platform.Service, error) {
	s, err := h.echoService()
	if err != nil {
		return nil, err
	}
	if err := h.start(s)(); err != nil {
		return nil, err
	}
	caller, err := h.caller()
	if err != nil {
		return nil, err
	}
	return caller, awaitEcho(platform.WithToken(ctx, h.user), caller)
}

// startPlatform is a call of one service by another on behalf of a customer, with
// everything on: routed by bindings, with a deadline, trace context, the caller's identity
// and the customer's token, both verified, authorisation, breaker, metrics and the
// memory of recent hops on both sides.
func startPlatform(ctx context.Context) (peer, error) {
	h, err := openHouse(ctx)
	if err != nil {
		return peer{}, err
	}
	caller, err := h.openEcho(ctx)
	if err == nil {
		err = refusesStrangers(ctx, caller)
	}
	if err != nil {
		h.close()
		return peer{}, err
	}
	return peer{call: h.call(caller), close: h.close}, nil
}

// call is a call on behalf of a customer who has a cohort.
func (h *house) call(caller *platform.Service) func(context.Context, []byte) error {
	return func(ctx context.Context, body []byte) error {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		return callEcho(platform.WithToken(platform.WithCohort(ctx, 4711), h.user), caller, body)
	}
}

// refusesStrangers makes sure that what is measured is authorised at all.
func refusesStrangers(ctx context.Context, caller *platform.Service) error {
	if err := callEcho(ctx, caller, nil); !fault.Is(err, fault.Forbidden) {
		return fmt.Errorf("a call on behalf of nobody: got %w, want it forbidden", err)
	}
	return nil
}

// measureStart starts instances of a service that nobody runs and calls it until
// it answers, one instance after the other.
func measureStart(ctx context.Context, o options) (any, error) {
	h, err := openHouse(ctx)
	if err != nil {
		return nil, err
	}
	defer h.close()
	caller, err := h.caller()
	if err != nil {
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
	l := latencyOf(took)
	fmt.Printf("  %d instances: %v\n", o.starts, l)
	return map[string]any{"starts": o.starts, "p50_ns": l.P50, "p99_ns": l.P99}, nil
}

func (h *house) startOne(caller *platform.Service) (time.Duration, error) {
	ctx, stop := context.WithCancel(platform.WithToken(h.ctx, h.user))
	defer stop()
	s, err := h.echoService()
	if err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	began := time.Now()
	go func() { ended <- s.Run(ctx, h.dial(s.Name())) }()
	err = awaitEcho(ctx, caller)
	took := time.Since(began)
	stop()
	return took, errors.Join(err, <-ended)
}

// A latency is how long something took, most of the time and nearly always.
type latency struct {
	P50 time.Duration `json:"p50_ns"`
	P99 time.Duration `json:"p99_ns"`
}

func (l latency) String() string {
	return fmt.Sprintf("p50 %v, p99 %v", short(l.P50), short(l.P99))
}

// short rounds to what a reader can use.
func short(d time.Duration) time.Duration {
	switch {
	case d > 10*time.Millisecond:
		return d.Round(100 * time.Microsecond)
	case d > 10*time.Microsecond:
		return d.Round(time.Microsecond)
	default:
		return d.Round(time.Nanosecond)
	}
}

// latencyOf sorts took, which is not empty.
func latencyOf(took []time.Duration) latency {
	slices.Sort(took)
	return latency{quantile(took, 0.5), quantile(took, 0.99)}
}
