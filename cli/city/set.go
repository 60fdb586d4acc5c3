package city

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	citypb "github.com/hansom-platform/hansom/proto/taxi/city"
)

// NewSet makes `hansom city set`.
func NewSet(f *factory.Factory, run Run) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "set <code> <path>=<value>... -m <why>",
		Short: "Change members of a city",
		Long: `Change members of a city, named by dotted paths. A value is JSON, or else text; an empty one removes the member. What changed
is shown; --dry-run shows it and writes nothing.`,
		Example: `  hansom city set LON radius_m=25000 -m "the suburbs too"`,
		Args:    factory.Args(cobra.MinimumNArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			o.City = args[0]
			if o.Set, err = parseSet(args[1:]); err != nil {
				return factory.Usage(cmd, "%w", err)
			}
			if err := o.checkMessage(cmd); err != nil {
				return err
			}
			return run(cmd.Context(), f, o)
		},
		ValidArgsFunction: f.Complete(&o.Connection, factory.Cities),
	}
	o.bindWrite(cmd)
	return cmd
}

func set(ctx context.Context, f *factory.Factory, o *Options) error {
	request := &citypb.UpdateRequest{Code: o.City, Set: o.Set, Message: o.message(), DryRun: o.DryRun}
	return f.With(ctx, o.Connection, func(s *factory.Session) error {
		response, err := citypb.NewCityClient(s).Update(ctx, request)
		if err != nil {
			return err
		}
		if o.Format == output.JSON {
			return output.Message(f.Out, response)
		}
		return o.tell(f, response.GetDifferences(), response.GetRevision())
	})
}
