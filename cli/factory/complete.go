package factory

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
)

// completeTimeout bounds how long a shell waits for the platform.
const completeTimeout = time.Second

// CompleteServices completes the first argument with the names of the services
// that run, and the second, where endpoints is true, with those of its endpoints.
// Where the platform is out of reach it completes nothing.
func (f *Factory) CompleteServices(c *Connection, endpoints bool) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 1 || len(args) == 1 && !endpoints {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completeTimeout)
		defer cancel()
		s, err := f.Open(ctx, *c)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer s.Close()
		var names []string
		for _, i := range running(ctx, s) {
			if len(args) == 0 {
				names = append(names, i.GetService())
				continue
			}
			for _, e := range i.GetEndpoints() {
				if i.GetService() == args[0] {
					names = append(names, e.GetEndpoint())
				}
			}
		}
		slices.Sort(names)
		return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp
	}
}

func running(ctx context.Context, s *Session) []*discoverypb.Instance {
	response, err := discoverypb.NewDiscoveryClient(s).Instances(ctx, &discoverypb.InstancesRequest{})
	if err != nil {
		return nil
	}
	var all []*discoverypb.Instance
	for _, r := range response.GetRegistrations() {
		all = append(all, r.GetInstance())
	}
	return all
}
