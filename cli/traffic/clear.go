package traffic

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
)

// NewClear makes `hansom traffic clear`.
func NewClear(f *factory.Factory, run Run) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:               "clear <service>",
		Short:             "Remove the split of a service: every instance gets the same share",
		Args:              factory.Args(cobra.ExactArgs(1)),
		ValidArgsFunction: f.CompleteServices(&o.Connection, false),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Service = args[0]
			return run(cmd.Context(), f, o)
		},
	}
	o.Connection.Bind(cmd)
	o.Format.Bind(cmd)
	return cmd
}

func remove(ctx context.Context, f *factory.Factory, o *Options) error {
	response, err := set(ctx, f, o)
	if err != nil {
		return err
	}
	if o.Format == output.JSON {
		return output.Message(f.Out, response)
	}
	_, err = fmt.Fprintf(f.Out, "%s: no split, every instance gets the same share\n", o.Service)
	return err
}
