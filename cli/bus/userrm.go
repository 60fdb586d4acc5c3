package bus

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/bus/rabbitbus"
	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
)

// NewUserRm makes `hansom bus user rm`.
func NewUserRm(f *factory.Factory, run Run) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:               "rm <name>",
		Short:             "Remove a user that hansom made",
		Long:              `Remove a user that "hansom bus user add" made. The broker closes its connections. Users that others made are left alone.`,
		Example:           `  hansom bus user rm core.eta`,
		Args:              factory.Args(cobra.ExactArgs(1)),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.User.Name = args[0]
			return run(cmd.Context(), f, o)
		},
	}
	o.bind(cmd)
	return cmd
}

func removeUser(ctx context.Context, f *factory.Factory, o *Options) error {
	config, err := o.config(f)
	if err != nil {
		return err
	}
	if err := rabbitbus.RemoveUser(ctx, config, o.User.Name); err != nil {
		return err
	}
	if o.Format == output.JSON {
		return output.Value(f.Out, map[string]string{"removed": o.User.Name})
	}
	_, err = fmt.Fprintf(f.Out, "removed user %s\n", output.Line(o.User.Name))
	return err
}
