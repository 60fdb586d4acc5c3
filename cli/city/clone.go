package city

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	citypb "github.com/hansom-platform/hansom/proto/taxi/city"
)

// NewClone makes `hansom city clone`.
func NewClone(f *factory.Factory, run Run) *cobra.Command {
	o := &Options{}
	var settings []string
	cmd := &cobra.Command{
		Use:   "clone <from> <to> [--set <path>=<value>]... -m <why>",
		Short: "Make a new city of an existing one",
		Long: `Make a new city of an existing one, with substitutions: --set gives a member another value (JSON, or else text; an empty one
removes the member). Every difference from the old city is shown; --dry-run shows it and writes nothing. A city that is
there is never overwritten.`,
		Example: `  hansom city clone LON DUB --set name=Dublin --set lat=53.3498 --set lng=-6.2603 --set timezone=Europe/Dublin -m "we open in Dublin"
  hansom sim --city DUB`,
		Args:              factory.Args(cobra.ExactArgs(2)),
		ValidArgsFunction: f.Complete(&o.Connection, factory.Cities),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			o.City, o.To = args[0], args[1]
			if o.Set, err = parseSet(settings); err != nil {
				return factory.Usage(cmd, "%w", err)
			}
			if err := o.checkMessage(cmd); err != nil {
				return err
			}
			return run(cmd.Context(), f, o)
		},
	}
	o.bindWrite(cmd)
	cmd.Flags().StringArrayVar(&settings, "set", nil, "`path=value` that differs; may be repeated")
	return cmd
}

func clone(ctx context.Context, f *factory.Factory, o *Options) error {
	request := &citypb.CloneRequest{From: o.City, To: o.To, Set: o.Set, Message: o.message(), DryRun: o.DryRun}
	return f.With(ctx, o.Connection, func(s *factory.Session) error {
		response, err := citypb.NewCityClient(s).Clone(ctx, request)
		if err != nil {
			return err
		}
		for _, w := range response.GetWarnings() {
			_, _ = fmt.Fprintln(f.Err, "warning:", output.Line(w))
		}
		if o.Format == output.JSON {
			return output.Message(f.Out, response)
		}
		_, _ = fmt.Fprintf(f.Out, "%s, where it differs from %s:\n", o.To, o.City)
		return o.tell(f, response.GetDifferences(), response.GetRevision())
	})
}
