package session

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

// NewAuthAs makes `hansom session authas`.
func NewAuthAs(f *factory.Factory, run Run) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "authas <user> --reason <why>",
		Short: "Open a session of another user, to see what that user sees",
		Long: `Open a session of another user, named by an identifier or an id, and print its secret. It lasts an hour at most and is not
renewed; the audit and every token of it name both the user and you. "hansom --session" and HTTP requests use it.`,
		Example: `  hansom session authas --application customer demo@example.com --reason "ticket 4711"`,
		Args:    factory.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.Reason == "" {
				return factory.Usage(cmd, "--reason is missing: say why, for the audit")
			}
			o.User = args[0]
			return run(cmd.Context(), f, o)
		},
		ValidArgsFunction: f.Complete(&o.Connection, factory.Users(&o.Application)),
	}
	o.bind(cmd)
	cmd.Flags().StringVar(&o.Reason, "reason", "", "why, for the audit (required)")
	return cmd
}

func authAs(ctx context.Context, f *factory.Factory, o *Options) error {
	return f.With(ctx, o.Connection, func(s *factory.Session) error {
		r, err := loginpb.NewLoginClient(s).AuthAs(ctx, &loginpb.AuthAsRequest{Application: o.Application, User: o.User, Reason: o.Reason})
		if err != nil {
			return err
		}
		opened, err := NewOpened(r.GetSessionId(), r.GetToken(), r.GetExpires().AsTime(), r.GetUser())
		if err != nil {
			return err
		}
		return opened.Show(f, o.Format, true)
	})
}
