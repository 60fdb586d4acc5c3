package traffic

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	bindingpb "github.com/hansom-platform/hansom/proto/kernel/binding"
)

// NewLs makes `hansom traffic ls`.
func NewLs(f *factory.Factory, run Run) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "ls [service]",
		Short: "Show the share that each version is to get and the one it got",
		Long: `Show, for every version of a service, the share of requests that its bindings give it and the one it got
in the last minute.`,
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

func list(ctx context.Context, f *factory.Factory, o *Options) error {
	session, err := f.Open(ctx, o.Connection)
	if err != nil {
		return err
	}
	defer session.Close()
	response, err := bindingpb.NewBindingClient(session).Traffic(ctx, &bindingpb.TrafficRequest{Service: o.Service})
	if err != nil {
		return err
	}
	if o.Format == output.JSON {
		return output.Message(f.Out, response)
	}
	for _, z := range response.GetSilent() {
		warn(f, []string{fmt.Sprintf("what is bound in zone %s is not known: %s", z.GetZone(), z.GetWhy())})
	}
	return table(f, response.GetServices())
}

func table(f *factory.Factory, services []*bindingpb.ServiceTraffic) error {
	t := output.NewTable(f.Out, "SERVICE", "VERSION", "INSTANCES", "SPLIT", "TARGET", "MEASURED", "REQUESTS/MIN")
	for _, s := range services {
		wished, shown := map[string]string{}, map[string]bool{}
		for _, share := range s.GetSplit().GetShares() {
			wished[share.GetVersion()] = output.Percent(share.GetBasisPoints())
		}
		for _, v := range s.GetVersions() {
			shown[v.GetVersion()] = true
			measured := ""
			if v.GetRequestsLastMinute() > 0 {
				measured = output.Percent(v.GetMeasuredBasisPoints())
			}
			t.Row(s.GetService(), v.GetVersion(), v.GetInstances(), wished[v.GetVersion()],
				output.Percent(v.GetTargetBasisPoints()), measured, v.GetRequestsLastMinute())
		}
		for _, share := range s.GetSplit().GetShares() {
			if v := share.GetVersion(); !shown[v] { // no instance of it runs
				t.Row(s.GetService(), v, 0, wished[v], output.Percent(0), "", 0)
			}
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, s := range services {
		for _, w := range s.GetWarnings() {
			warn(f, []string{fmt.Sprintf("%s: %s", s.GetService(), w)})
		}
	}
	return nil
}
