package grant

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

// NewLs makes `hansom grant ls`.
func NewLs(f *factory.Factory, run Run) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "ls [--caller <service>] [--service <service>]",
		Short: "List grants",
		Example: `  hansom grant ls
  hansom grant ls --service core.profile`,
		Args:              factory.Args(cobra.NoArgs),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), f, o) },
	}
	o.Connection.Bind(cmd)
	o.Format.Bind(cmd)
	cmd.Flags().StringVar(&o.Caller, "caller", "", "only what this `service` may call")
	cmd.Flags().StringVar(&o.Service, "service", "", "only what may be called of this `service`")
	f.CompleteFlag(cmd, "caller", &o.Connection, factory.Services)
	f.CompleteFlag(cmd, "service", &o.Connection, factory.Services)
	return cmd
}

func list(ctx context.Context, f *factory.Factory, o *Options) error {
	return f.With(ctx, o.Connection, func(s *factory.Session) error {
		response, err := loginpb.NewLoginClient(s).Grants(ctx, &loginpb.GrantsRequest{Service: o.Service, Caller: o.Caller})
		if err != nil {
			return err
		}
		if o.Format == output.JSON {
			return output.Messages(f.Out, response.GetGrants())
		}
		t := output.NewTable(f.Out, "CALLER", "SERVICE", "ENDPOINT", "AUTHOR", "AT")
		names := s.Names(ctx)
		for _, g := range response.GetGrants() {
			t.Row(g.GetCaller(), g.GetService(), g.GetEndpoint(), output.Line(names(g.GetAuthor())), output.Time(g.GetAt()))
		}
		return t.Flush()
	})
}
