package config

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

// NewExport makes `hansom config export`.
func NewExport(f *factory.Factory, run func(context.Context, *factory.Factory, *LsOptions) error) *cobra.Command {
	o := &LsOptions{}
	cmd := &cobra.Command{
		Use:   "export [prefix]",
		Short: "Print all documents as one JSON, to compare with another environment",
		Long: `Print all documents, or those whose ids begin with a prefix, as one JSON. Secrets are hidden. "hansom config diff --against"
compares another environment with it.`,
		Example: `  hansom config export > production.json
  hansom config export city/ --as-of 71`,
		Args:              factory.Args(cobra.MaximumNArgs(1)),
		ValidArgsFunction: f.Complete(&o.Connection, factory.Documents),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.Prefix = args[0]
			}
			return run(cmd.Context(), f, o)
		},
	}
	o.bind(cmd)
	cmd.Flags().Uint64Var(&o.AsOf, "as-of", 0, "as they were at this `revision` (default now)")
	return cmd
}

func export(ctx context.Context, f *factory.Factory, o *LsOptions) error {
	return o.with(ctx, f, func(c *client) error {
		response, err := c.Export(ctx, &configpb.ExportRequest{AsOf: o.AsOf, Prefix: o.Prefix})
		if err != nil {
			return err
		}
		return output.Raw(f.Out, response.GetDocument())
	})
}
