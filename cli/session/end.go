package session

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

// NewEnd makes `hansom session end`.
func NewEnd(f *factory.Factory, run Run) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "end (<session>... | --user <user>)",
		Short: "End sessions: everywhere, within a second",
		Long: `End sessions by their public ids, as "hansom session ls" lists them, or all sessions of one user. Their tokens stop
working everywhere within a second.`,
		Example: `  hansom session end 0190a0b0-7d1f-7c41-9d7c-3b1f6f0e4a11 --reason "phone lost"
  hansom session end --application driver --user fleet@example.com`,
		Args:              factory.Args(cobra.ArbitraryArgs),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 0) == (o.User == "") {
				return factory.Usage(cmd, "want the ids of sessions, or --user for all of one user")
			}
			o.Sessions = args
			return run(cmd.Context(), f, o)
		},
	}
	o.bind(cmd)
	fl := cmd.Flags()
	fl.StringVar(&o.User, "user", "", "`user` (identifier or id) all of whose sessions end")
	fl.StringVar(&o.Reason, "reason", "", "why, for the audit")
	f.CompleteFlag(cmd, "user", &o.Connection, factory.Users(&o.Application))
	return cmd
}

func end(ctx context.Context, f *factory.Factory, o *Options) error {
	var requests []*loginpb.EndSessionsRequest
	for _, id := range o.Sessions {
		requests = append(requests, &loginpb.EndSessionsRequest{Session: id, Reason: o.Reason})
	}
	if o.User != "" {
		requests = append(requests, &loginpb.EndSessionsRequest{Application: o.Application, User: o.User, Reason: o.Reason})
	}
	return f.With(ctx, o.Connection, func(s *factory.Session) error {
		total := &loginpb.EndSessionsResponse{}
		for _, request := range requests {
			response, err := loginpb.NewLoginClient(s).EndSessions(ctx, request)
			if err != nil {
				return err
			}
			total.Ended += response.GetEnded()
		}
		if o.Format == output.JSON {
			return output.Message(f.Out, total)
		}
		_, err := fmt.Fprintf(f.Out, "%d ended\n", total.GetEnded())
		return err
	})
}
