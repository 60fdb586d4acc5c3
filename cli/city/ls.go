package city

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	citypb "github.com/hansom-platform/hansom/proto/taxi/city"
)

// NewLs makes `hansom city ls`.
func NewLs(f *factory.Factory, run Run) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:               "ls",
		Short:             "List cities",
		Args:              factory.Args(cobra.NoArgs),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), f, o) },
	}
	o.bind(cmd)
	return cmd
}

func list(ctx context.Context, f *factory.Factory, o *Options) error {
	return f.With(ctx, o.Connection, func(s *factory.Session) error {
		response, err := citypb.NewCityClient(s).List(ctx, &citypb.ListRequest{})
		if err != nil {
			return err
		}
		if o.Format == output.JSON {
			return output.Messages(f.Out, response.GetCities())
		}
		t := output.NewTable(f.Out, "CODE", "NAME", "CENTRE", "RADIUS", "TIMEZONE")
		for _, c := range response.GetCities() {
			t.Row(c.GetCode(), output.Line(c.GetName()), centre(c), fmt.Sprintf("%.1f km", c.GetRadiusM()/1000), output.Line(c.GetTimezone()))
		}
		return t.Flush()
	})
}

func centre(c *citypb.Details) string { return fmt.Sprintf("%.4f, %.4f", c.GetLat(), c.GetLng()) }
