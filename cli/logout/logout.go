// Package logout is `hansom logout`: the end of the session that commands use.
package logout

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
)

// Options of the verb.
type Options struct {
	Connection factory.Connection
	Format     output.Format
	All        bool
}

// New makes the command. run replaces what it does, in tests; nil means the real thing.
func New(f *factory.Factory, run func(context.Context, *Options) error) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "logout",
		Short: "End the session that the commands use",
		Long: `End the session that the commands use, everywhere within a second. Where the data folder's admin.json holds the first
administrator's password, the next command logs in with that again.`,
		Args:              factory.Args(cobra.NoArgs),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if run != nil {
				return run(cmd.Context(), o)
			}
			return logout(cmd.Context(), f, o)
		},
	}
	o.Connection.Bind(cmd)
	o.Format.Bind(cmd)
	cmd.Flags().BoolVar(&o.All, "all", false, "end all sessions of the user, on every device")
	return cmd
}

func logout(ctx context.Context, f *factory.Factory, o *Options) error {
	return f.With(ctx, o.Connection, func(s *factory.Session) error {
		proof, ended, err := s.LogOut(ctx, o.All)
		if err != nil {
			return err
		}
		if o.Format == output.JSON {
			return output.Value(f.Out, map[string]any{"identifier": proof.Identifier, "ended": ended})
		}
		who := ""
		if proof.Identifier != "" {
			who = " of " + proof.Identifier
		}
		_, err = fmt.Fprintf(f.Out, "logged out: %s%s\n", sessions(ended), who)
		return err
	})
}

func sessions(n uint32) string {
	if n == 1 {
		return "1 session ended"
	}
	return fmt.Sprintf("%d sessions ended", n)
}
