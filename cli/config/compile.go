package config

import (
	"context"
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

// CompileOptions of `hansom config compile`.
type CompileOptions struct {
	common
	layers
}

// NewCompile makes `hansom config compile`.
func NewCompile(f *factory.Factory, run func(context.Context, *factory.Factory, *CompileOptions) error) *cobra.Command {
	o := &CompileOptions{}
	cmd := &cobra.Command{
		Use:   "compile [service]",
		Short: "Print what a service is configured with, merged from all layers",
		Long: `Print what a service is configured with, merged from all layers; without a service, what all have in common. Secrets are
hidden. -o json adds the revision and the hash by which instances know it.`,
		Example: `  hansom config compile api.gateway
  hansom config compile core.eta --region eu-west-1 --env production --path hansom`,
		Args:              factory.Args(cobra.MaximumNArgs(1)),
		ValidArgsFunction: f.Complete(&o.Connection, factory.Services),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.Service = args[0]
			}
			o.complete(cmd, f, &o.Connection)
			return run(cmd.Context(), f, o)
		},
	}
	o.layers.bind(cmd)
	o.common.bind(cmd)
	return cmd
}

func compile(ctx context.Context, f *factory.Factory, o *CompileOptions) error {
	return o.with(ctx, f, func(c *client) error {
		r, err := c.Compile(ctx, &configpb.CompileRequest{Layers: o.message(), Path: o.Path, AsOf: o.AsOf})
		if err != nil {
			return err
		}
		if o.Format == output.JSON {
			return output.Value(f.Out, struct {
				Revision uint64          `json:"revision"`
				Hash     string          `json:"hash"`
				Document json.RawMessage `json:"document"`
			}{r.GetRevision(), r.GetHash(), r.GetDocument()})
		}
		return output.Raw(f.Out, r.GetDocument())
	})
}
