package session

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

// NewLs makes `hansom session ls`.
func NewLs(f *factory.Factory, run Run) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "ls [user]",
		Short: "List the open sessions of a user, or your own",
		Long: `List the open sessions of a user, named by an identifier or an id; without one, your own. SESSION is the public id, which
cannot be logged in with.`,
		Example: `  hansom session ls
  hansom session ls --application driver fleet@example.com`,
		Args:              factory.Args(cobra.MaximumNArgs(1)),
		ValidArgsFunction: f.Complete(&o.Connection, factory.Users(&o.Application)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.User = args[0]
			}
			return run(cmd.Context(), f, o)
		},
	}
	o.bind(cmd)
	return cmd
}

func list(ctx context.Context, f *factory.Factory, o *Options) error {
	request := &loginpb.SessionsRequest{}
	if o.User != "" {
		request.Application, request.User = o.Application, o.User
	}
	return f.With(ctx, o.Connection, func(s *factory.Session) error {
		response, err := loginpb.NewLoginClient(s).Sessions(ctx, request)
		if err != nil {
			return err
		}
		if o.Format == output.JSON {
			return output.Messages(f.Out, response.GetSessions())
		}
		t := output.NewTable(f.Out, "SESSION", "APPLICATION", "USER", "DEVICE", "CREATED", "EXPIRES", "FROM", "ACTOR")
		names := s.Names(ctx)
		for _, s := range response.GetSessions() {
			t.Row(s.GetId(), s.GetApplication(), names(s.GetUser()), s.GetDeviceType(), output.Time(s.GetCreated()), output.Time(s.GetExpires()),
				output.Line(s.GetSource()), names(s.GetActor()))
		}
		return t.Flush()
	})
}
