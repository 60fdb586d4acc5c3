package deadletter

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/cli/factory"
)

// NewDrop makes `hansom deadletter drop`.
func NewDrop(f *factory.Factory, run Run) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "drop <group> (<id>... | --all)",
		Short: "Remove events that a group gave up, for good",
		Long:  `Remove dead letters for good. "hansom deadletter show" with -o json keeps a copy of one.`,
		Example: `  hansom deadletter drop core.billing 17 18
  hansom deadletter drop core.billing --all --yes`,
		Args:              factory.Args(cobra.MinimumNArgs(1)),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.some(cmd, args); err != nil {
				return err
			}
			if o.All && !o.Yes {
				return factory.Usage(cmd, "--all drops every dead letter of %s for good: say --yes as well", o.Group)
			}
			return run(cmd.Context(), f, o)
		},
	}
	o.bind(cmd)
	cmd.Flags().BoolVar(&o.All, "all", false, "every letter that the group has now; needs --yes")
	cmd.Flags().BoolVar(&o.Yes, "yes", false, "really drop them all")
	return cmd
}

func drop(ctx context.Context, f *factory.Factory, o *Options) error {
	return o.each(ctx, f, "dropped", func(b *bus.Bus, id string) error { return b.DropLetter(ctx, o.Group, id) })
}
