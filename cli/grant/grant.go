// Package grant is `hansom grant`: which service may call which endpoint of another.
package grant

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

// Options of every verb.
type Options struct {
	Connection factory.Connection
	Format     output.Format
	Caller     string
	Service    string
	Endpoint   string
}

// Run is what a verb does; tests replace it.
type Run func(ctx context.Context, f *factory.Factory, o *Options) error

// New makes the command.
func New(f *factory.Factory) *cobra.Command {
	return factory.Group(&cobra.Command{
		Use:   "grant",
		Short: "Say which service may call which endpoint of another",
		Long: `Say which service may call which endpoint of another. Endpoints with the role SERVICE are open to every service; all others
need a user's role or a grant. Only what an endpoint's roles leave closed needs one.`,
	}, NewAdd(f, add), NewRm(f, remove), NewLs(f, list))
}

// edge makes a verb about one grant.
func edge(f *factory.Factory, run Run, cmd *cobra.Command) *cobra.Command {
	o := &Options{}
	cmd.Args = factory.Args(cobra.ExactArgs(3))
	cmd.ValidArgsFunction = f.Complete(&o.Connection, factory.Services, factory.Services, factory.Endpoints)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.Caller, o.Service, o.Endpoint = args[0], args[1], args[2]
		return run(cmd.Context(), f, o)
	}
	o.Connection.Bind(cmd)
	o.Format.Bind(cmd)
	return cmd
}

// NewAdd makes `hansom grant add`.
func NewAdd(f *factory.Factory, run Run) *cobra.Command {
	return edge(f, run, &cobra.Command{
		Use:   "add <caller> <service> (<endpoint> | '*')",
		Short: "Let a service call an endpoint of another, or all of them",
		Long: `Let a service, the caller, call an endpoint of another service, or with '*' all that it has. It holds within a
second. The endpoints of kernel.login that make anybody anything are granted to nobody.`,
		Example: `  hansom grant add core.billing core.profile delete
  hansom grant add api.v1.partner orchestration.neardrivers '*'`,
	})
}

// NewRm makes `hansom grant rm`.
func NewRm(f *factory.Factory, run Run) *cobra.Command {
	return edge(f, run, &cobra.Command{
		Use:     "rm <caller> <service> (<endpoint> | '*')",
		Short:   "Take a grant back",
		Example: "  hansom grant rm core.billing core.profile delete",
	})
}

func add(ctx context.Context, f *factory.Factory, o *Options) error {
	return f.With(ctx, o.Connection, func(s *factory.Session) error {
		response, err := loginpb.NewLoginClient(s).SetGrant(ctx, &loginpb.SetGrantRequest{Service: o.Service, Endpoint: o.Endpoint, Caller: o.Caller})
		if err != nil {
			return err
		}
		if o.Format == output.JSON {
			return output.Message(f.Out, response.GetGrant())
		}
		_, err = fmt.Fprintf(f.Out, "%s may call %s\n", o.Caller, o.target())
		return err
	})
}

func remove(ctx context.Context, f *factory.Factory, o *Options) error {
	return f.With(ctx, o.Connection, func(s *factory.Session) error {
		response, err := loginpb.NewLoginClient(s).RemoveGrant(ctx, &loginpb.RemoveGrantRequest{Service: o.Service, Endpoint: o.Endpoint, Caller: o.Caller})
		if err != nil {
			return err
		}
		if o.Format == output.JSON {
			return output.Message(f.Out, response)
		}
		_, err = fmt.Fprintf(f.Out, "%s has no grant (any more) to call %s\n", o.Caller, o.target())
		return err
	})
}

func (o *Options) target() string {
	if o.Endpoint == "*" {
		return "all endpoints of " + o.Service
	}
	return o.Service + " " + o.Endpoint
}
