package config

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

// GetOptions of `hansom config get`.
type GetOptions struct {
	common

	ID      string
	AsOf    uint64
	Verbose bool
}

// NewGet makes `hansom config get`.
func NewGet(f *factory.Factory, run func(context.Context, *factory.Factory, *GetOptions) error) *cobra.Command {
	o := &GetOptions{}
	cmd := &cobra.Command{
		Use:   "get <id>",
		Short: "Print a document, as it is or as it was",
		Long: `Print a document. Secrets in it are hidden. -o json adds its revision, author and message; -v tells them on standard
error.`,
		Example: `  hansom config get base
  hansom config get city/LON --as-of 71`,
		Args:              factory.Args(cobra.ExactArgs(1)),
		ValidArgsFunction: f.Complete(&o.Connection, factory.Documents),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ID = args[0]
			return run(cmd.Context(), f, o)
		},
	}
	o.bind(cmd)
	cmd.Flags().Uint64Var(&o.AsOf, "as-of", 0, "as it was at this `revision` (default now)")
	cmd.Flags().BoolVarP(&o.Verbose, "verbose", "v", false, "tell on standard error who set it, when and why")
	return cmd
}

func get(ctx context.Context, f *factory.Factory, o *GetOptions) error {
	return o.with(ctx, f, func(c *client) error {
		response, err := c.Read(ctx, &configpb.ReadRequest{Id: o.ID, AsOf: o.AsOf})
		if err != nil {
			return err
		}
		d := response.GetDocument()
		if o.Format == output.JSON {
			return output.Value(f.Out, storedOf(d))
		}
		if o.Verbose {
			_, _ = fmt.Fprintf(f.Err, "revision %d by %s at %s: %s\n", d.GetRevision(), c.author(d.GetAuthor()), output.Time(d.GetAt()), output.Line(d.GetMessage()))
		}
		return output.Raw(f.Out, d.GetJson())
	})
}
