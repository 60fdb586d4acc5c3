package city

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	citypb "github.com/hansom-platform/hansom/proto/taxi/city"
)

// NewShow makes `hansom city show`.
func NewShow(f *factory.Factory, run Run) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:               "show <code>",
		Short:             "Show a city as services see it",
		Long:              `Show a city as services see it. "hansom config get city/<CODE>" prints the whole document.`,
		Example:           "  hansom city show LON",
		Args:              factory.Args(cobra.ExactArgs(1)),
		ValidArgsFunction: f.Complete(&o.Connection, factory.Cities),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.City = args[0]
			return run(cmd.Context(), f, o)
		},
	}
	o.bind(cmd)
	return cmd
}

func show(ctx context.Context, f *factory.Factory, o *Options) error {
	return f.With(ctx, o.Connection, func(s *factory.Session) error {
		response, err := citypb.NewCityClient(s).Read(ctx, &citypb.ReadRequest{Code: o.City})
		if err != nil {
			return err
		}
		c := response.GetCity()
		if o.Format == output.JSON {
			return output.Message(f.Out, c)
		}
		t := output.NewList(f.Out)
		t.Row("code", c.GetCode())
		t.Row("name", output.Line(c.GetName()))
		t.Row("centre", centre(c))
		t.Row("radius", fmt.Sprintf("%.1f km", c.GetRadiusM()/1000))
		t.Row("speed", fmt.Sprintf("%.1f m/s at a quiet hour", c.GetSpeedMps()))
		t.Row("timezone", output.Line(c.GetTimezone()))
		return t.Flush()
	})
}
