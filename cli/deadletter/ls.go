package deadletter

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
)

// NewLs makes `hansom deadletter ls`.
func NewLs(f *factory.Factory, run Run) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "ls [group]",
		Short: "List the groups that gave events up, or the events of one",
		Long: `List the groups that have dead letters, with how many; or those of one group, oldest first, with the error of the last
attempt.`,
		Example: `  hansom deadletter ls
  hansom deadletter ls core.billing --limit 20`,
		Args:              factory.Args(cobra.MaximumNArgs(1)),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.Limit < 1 || o.Limit > most {
				return factory.Usage(cmd, "--limit %d: want 1 to %d", o.Limit, most)
			}
			if len(args) == 1 {
				o.Group = args[0]
			}
			return run(cmd.Context(), f, o)
		},
	}
	o.bind(cmd)
	cmd.Flags().IntVar(&o.Limit, "limit", 100, "how many letters of the group at most")
	return cmd
}

func list(ctx context.Context, f *factory.Factory, o *Options) error {
	return f.With(ctx, o.Connection, func(s *factory.Session) error {
		if o.Group == "" {
			return groups(ctx, f, o, s.Bus)
		}
		letters, err := s.Bus.DeadLetters(ctx, o.Group, o.Limit)
		if err != nil {
			return err
		}
		if o.Format == output.JSON {
			records := make([]record, len(letters))
			for i, l := range letters {
				records[i] = recordOf(l, false)
			}
			return output.Value(f.Out, records)
		}
		if len(letters) == 0 {
			_, err := fmt.Fprintf(f.Err, "group %s has no dead letters\n", output.Line(o.Group))
			return err
		}
		t := output.NewTable(f.Out, "ID", "TOPIC", "ATTEMPTS", "AT", "REASON")
		for _, l := range letters {
			t.Row(l.ID, l.Topic, l.Attempts, output.Moment(l.At), output.Line(l.Reason))
		}
		return t.Flush()
	})
}

func groups(ctx context.Context, f *factory.Factory, o *Options, b *bus.Bus) error {
	all, err := b.DeadGroups(ctx)
	if err != nil {
		return err
	}
	if o.Format == output.JSON {
		type group struct {
			Group   string `json:"group"`
			Letters int    `json:"letters"`
		}
		records := make([]group, len(all))
		for i, g := range all {
			records[i] = group(g)
		}
		return output.Value(f.Out, records)
	}
	t := output.NewTable(f.Out, "GROUP", "LETTERS")
	for _, g := range all {
		t.Row(g.Group, g.Letters)
	}
	return t.Flush()
}
