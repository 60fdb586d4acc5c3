package bus

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/bus/rabbitbus"
	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
)

// NewUserLs makes `hansom bus user ls`.
func NewUserLs(f *factory.Factory, run Run) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List the users that hansom made, with their rights",
		Long: `List the users of the broker that "hansom bus user add" made, with their rights in the bus's virtual host: the names of exchanges
and queues that they may make, write to, and read, as regular expressions.`,
		Example:           `  hansom bus user ls -o json`,
		Args:              factory.Args(cobra.NoArgs),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), f, o) },
	}
	o.bind(cmd)
	return cmd
}

func listUsers(ctx context.Context, f *factory.Factory, o *Options) error {
	config, err := o.config(f)
	if err != nil {
		return err
	}
	users, err := rabbitbus.Users(ctx, config)
	if err != nil {
		return err
	}
	if o.Format == output.JSON {
		return output.Value(f.Out, append([]rabbitbus.UserInfo{}, users...))
	}
	t := output.NewTable(f.Out, "USER", "KEEPER", "OWN NAMES")
	for _, u := range users {
		keeper := ""
		if u.Keeper {
			keeper = "yes"
		}
		t.Row(output.Line(u.Name), keeper, output.Line(u.Permissions.Configure))
	}
	return t.Flush()
}
