package bus

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/bus/rabbitbus"
	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	"github.com/hansom-platform/hansom/fault"
)

// NewSetup makes `hansom bus setup`.
func NewSetup(f *factory.Factory, run Run) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Make what a zone's RabbitMQ needs: exchanges, federation, policies",
		Long: `Make what a zone's RabbitMQ needs to be the bus: exchanges, and where the bus URL's parameter zones names a file with the
brokers of the region's other zones, federation upstreams and policies. What is right already is left alone, so it can be run at any
time; it says what it changed and what was right. What leads to a zone that is not in the file any more is removed, with --yes.

Run it once for each zone, with the URL of one of the zone's own brokers and of a user with the tag policymaker or administrator.
kernel.binding does the same when it starts, if its user may; where it may not, this does it.`,
		Example: `  hansom bus setup --dry-run
  HANSOM_BUS='amqp://admin:…@broker-a1?zone=a&zones=/etc/hansom/zones.json' hansom bus setup`,
		Args: factory.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), f, o) },
	}
	o.bind(cmd)
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "say what would change, and change nothing")
	cmd.Flags().BoolVar(&o.Yes, "yes", false, "also remove what leads to zones that are not listed any more")
	return cmd
}

func setup(ctx context.Context, f *factory.Factory, o *Options) error {
	config, err := o.config(f)
	if err != nil {
		return err
	}
	plan, err := rabbitbus.Plan(ctx, config)
	if err != nil || o.DryRun {
		return errOr(err, func() error { return tellSetup(f, o, config, plan) })
	}
	if len(plan.Removed) > 0 && !o.Yes {
		return fault.New(fault.Conflict, "bus.would_remove",
			"the setup of zone %s would remove %s: list the zone in the file that the bus URL's parameter zones names, or say --yes; nothing was changed",
			config.Zone, strings.Join(plan.Removed, ", "))
	}
	report, err := rabbitbus.Setup(ctx, config)
	if err != nil && len(report.Changes) > 0 {
		err = fmt.Errorf("%w (before that: %s)", err, strings.Join(report.Changes, "; "))
	}
	return errOr(err, func() error { return tellSetup(f, o, config, report) })
}

func errOr(err error, next func() error) error {
	if err != nil {
		return err
	}
	return next()
}

func tellSetup(f *factory.Factory, o *Options, config rabbitbus.Config, r rabbitbus.Report) error {
	if o.Format == output.JSON {
		return output.Value(f.Out, map[string]any{
			"region": config.Zone.Region, "zone": config.Zone.Zone, "dry_run": o.DryRun,
			"changes": append([]string{}, r.Changes...), "kept": append([]string{}, r.Kept...),
		})
	}
	would := ""
	if o.DryRun {
		would = "would have "
	}
	for _, change := range r.Changes {
		if _, err := fmt.Fprintf(f.Out, "%s%s\n", would, change); err != nil {
			return err
		}
	}
	for _, kept := range r.Kept {
		if _, err := fmt.Fprintf(f.Out, "right already: %s\n", kept); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(f.Out, "%s: %d %schanged, %d right already\n", config.Zone, len(r.Changes), would, len(r.Kept))
	return err
}
