package identity

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

// NewRotateKey makes `hansom identity rotate-key`.
func NewRotateKey(f *factory.Factory, run Run) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "rotate-key",
		Short: "Sign tokens with a new key from now on",
		Long: `Make a new key for signing tokens. Tokens of the old one stay good until they expire: nobody has to log in again.
Every instance learns the new key within a second or so.`,
		Args:              factory.Args(cobra.NoArgs),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), f, o) },
	}
	o.Connection.Bind(cmd)
	o.Format.Bind(cmd)
	return cmd
}

func rotateKey(ctx context.Context, f *factory.Factory, o *Options) error {
	return f.With(ctx, o.Connection, func(s *factory.Session) error {
		response, err := loginpb.NewLoginClient(s).RotateKey(ctx, &loginpb.RotateKeyRequest{})
		if err != nil {
			return err
		}
		if o.Format == output.JSON {
			return output.Message(f.Out, response)
		}
		_, err = fmt.Fprintf(f.Out, "tokens are signed with the key %s from now on; those of the old one live until they expire\n", response.GetKid())
		return err
	})
}
