package redis

import (
	"context"
	"net"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/hansom-platform/hansom/adapters"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
)

// Nil is what a command returns for a key that is not there, in a NotFound fault.
const Nil = redis.Nil

// Client is the Redis of one name, whichever server the configuration says it is.
// It has go-redis's methods for all commands. They ask for a context whose deadline
// they keep; a blocking command, such as BLPop, needs one beyond its own timeout.
type Client struct {
	redis.Cmdable
	adapter *adapters.Adapter[*client]
}

// New returns the named Redis of svc, before svc runs. The name is a lower-case
// word; New panics on another.
func New(svc *platform.Service, name string) *Client {
	quieten()
	a := adapters.New(svc, name, adapters.Kind[*client]{Name: "redis", Open: open, Translate: translate})
	front := redis.NewClient(&redis.Options{
		// Commands never come as far as a connection of its own.
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		PipelinePoolSize:         -1,
	})
	front.AddHook(forward{a})
	return &Client{front, a}
}

// Do has f use the client of go-redis itself, for what is no command of its own:
// Watch, Subscribe. f must not keep it: it may be closed when f returned. The
// commands of f are neither spans nor counted one by one, and their errors are not
// faults; what f returns becomes one.
func (c *Client) Do(ctx context.Context, f func(ctx context.Context, client *redis.Client) error) error {
	op, err := c.adapter.Start(ctx, "DO")
	if err != nil {
		return err
	}
	defer op.Release() // also when f panics
	return op.End(f(op.Context(), op.Client().redis))
}

// Check makes one round trip to the server.
func (c *Client) Check(ctx context.Context) error { return c.adapter.Check(ctx) }

// forward has commands run on the client in force.
type forward struct {
	adapter *adapters.Adapter[*client]
}

// DialHook implements redis.Hook.
func (forward) DialHook(redis.DialHook) redis.DialHook {
	return func(_ context.Context, _, address string) (net.Conn, error) {
		return nil, fault.New(fault.Internal, "adapters.redis.front", "the front of the adapter has no connection of its own to %s: use Do", address)
	}
}

// ProcessHook implements redis.Hook.
func (h forward) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, command redis.Cmder) error {
		op, err := h.adapter.Start(ctx, operation(command))
		if err != nil {
			return err
		}
		return op.End(op.Client().redis.Process(op.Context(), command))
	}
}

// ProcessPipelineHook implements redis.Hook. A transaction comes with MULTI and
// EXEC around its commands.
func (h forward) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		name, inner := "PIPELINE", commands
		if n := len(commands); n >= 2 && commands[0].Name() == "multi" && commands[n-1].Name() == "exec" {
			name, inner = "MULTI", commands[1:n-1]
		}
		op, err := h.adapter.Start(ctx, name)
		if err != nil {
			setErrors(commands, err)
			return err
		}
		pipeline := op.Client().redis.Pipeline()
		if name == "MULTI" {
			pipeline = op.Client().redis.TxPipeline()
		}
		for _, c := range inner {
			_ = pipeline.Process(op.Context(), c) // only queues
		}
		_, err = pipeline.Exec(op.Context())
		for _, c := range inner {
			c.SetErr(op.Fault(c.Err()))
		}
		return op.End(err)
	}
}

func setErrors(commands []redis.Cmder, err error) {
	for _, c := range commands {
		c.SetErr(err)
	}
}
