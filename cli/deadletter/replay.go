package deadletter

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/cli/factory"
)

// NewReplay makes `hansom deadletter replay`.
func NewReplay(f *factory.Factory, run Run) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "replay <group> (<id>... | --all)",
		Short: "Give events back to the group that gave them up",
		Long: `Give dead letters back to their group, and to no other group of the topic, as if they had just been published. They are
then no dead letters any more; if the group gives them up again, they are new ones.`,
		Example: `  hansom deadletter replay core.billing 17 18
  hansom deadletter replay core.billing --all`,
		Args:              factory.Args(cobra.MinimumNArgs(1)),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.some(cmd, args); err != nil {
				return err
			}
			return run(cmd.Context(), f, o)
		},
	}
	o.bind(cmd)
	cmd.Flags().BoolVar(&o.All, "all", false, "every letter that the group has now")
	return cmd
}

func replay(ctx context.Context, f *factory.Factory, o *Options) error {
	return o.each(ctx, f, "replayed", func(b *bus.Bus, id string) error { return b.ReplayLetter(ctx, o.Group, id) })
}
