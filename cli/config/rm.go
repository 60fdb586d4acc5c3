package config

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

// NewRm makes `hansom config rm`.
func NewRm(f *factory.Factory, run func(context.Context, *factory.Factory, *SetOptions) error) *cobra.Command {
	o := &SetOptions{Kind: configpb.Edit_KIND_DELETE}
	cmd := &cobra.Command{
		Use:               "rm <id> -m <why>",
		Short:             "Remove a document; its history stays",
		Example:           `  hansom config rm region/eu-west-1/core.eta -m "the region is no longer special"`,
		Args:              factory.Args(cobra.ExactArgs(1)),
		ValidArgsFunction: f.Complete(&o.Connection, factory.Documents),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ID = args[0]
			if err := o.check(cmd); err != nil {
				return err
			}
			return run(cmd.Context(), f, o)
		},
	}
	o.bind(cmd)
	o.bindWrite(cmd)
	return cmd
}

func remove(ctx context.Context, f *factory.Factory, o *SetOptions) error { return set(ctx, f, o) }
