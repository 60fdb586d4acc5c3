// Package ls is `hansom ls`: what runs and what is bound.
package ls

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
)

// Options of every verb.
type Options struct {
	Connection factory.Connection
	Format     output.Format
	Service    string
	InZone     string // only for instances
	Version    string // only for instances
	State      string // only for bindings
}

// Run is what a verb does; tests replace it.
type Run func(ctx context.Context, f *factory.Factory, o *Options) error

// New makes the command.
func New(f *factory.Factory) *cobra.Command {
	return factory.Group(&cobra.Command{
		Use:   "ls",
		Short: "List services, instances, endpoints or bindings",
	}, NewServices(f, services), NewInstances(f, instances), NewEndpoints(f, endpoints), NewBindings(f, bindings))
}

// verb makes a command that lists all there is, or what belongs to one service.
func verb(f *factory.Factory, o *Options, run Run, name, short string) *cobra.Command {
	cmd := &cobra.Command{
		Use:               name + " [service]",
		Short:             short,
		Args:              factory.Args(cobra.MaximumNArgs(1)),
		ValidArgsFunction: f.CompleteServices(&o.Connection, false),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.Service = args[0]
			}
			return run(cmd.Context(), f, o)
		},
	}
	o.Connection.Bind(cmd)
	o.Format.Bind(cmd)
	return cmd
}

func registrations(ctx context.Context, f *factory.Factory, o *Options) ([]*discoverypb.Registration, error) {
	session, err := f.Open(ctx, o.Connection)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	response, err := discoverypb.NewDiscoveryClient(session).Instances(ctx, &discoverypb.InstancesRequest{
		Service: o.Service, Zone: o.InZone,
	})
	if err != nil {
		return nil, err
	}
	all := response.GetRegistrations()
	if o.Service != "" && len(all) == 0 {
		return nil, fmt.Errorf("no instance of %s is running; `hansom ls services` shows what is", o.Service)
	}
	return all, nil
}

// age is a time span as people say it.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", max(0, int(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd", int(d.Hours())/24)
}
