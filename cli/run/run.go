// Package run is `hansom run`: some services, on a bus that runs already.
package run

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/app"
	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/logging"
	"github.com/hansom-platform/hansom/cli/up"
)

// Options of the verb.
type Options struct {
	Connection factory.Connection
	Config     app.Config // Bus and Zone are filled in from Connection
	Logging    logging.Options
}

// New makes the command. run replaces what it does, in tests; nil means the real thing.
func New(f *factory.Factory, run func(context.Context, *Options) error) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "run <service>...",
		Short: "Run services in this process, on the bus of a platform that runs already",
		Long: `Run one instance of each named service in this process, on the bus of a platform that runs already. One line on standard
output tells when all are registered and bound. Ctrl-C lets them finish what they are at.

There is ` + strings.Join(app.Services(), ", ") + `.`,
		Example: `  hansom run core.eta --version 20990101000000
  hansom run core.routing --overlay alice`,
		Args:              factory.Args(cobra.MinimumNArgs(1)),
		ValidArgsFunction: cobra.FixedCompletions(app.Services(), cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Config.Services = args
			o.Config.Zone = f.Place(o.Connection.Zone)
			if run != nil {
				return run(cmd.Context(), o)
			}
			return serve(cmd.Context(), f, o)
		},
	}
	o.Connection.Bind(cmd)
	fl, c := cmd.Flags(), &o.Config
	fl.StringVar(&c.Version, "version", "", "`version` of the services (default that of this program)")
	fl.StringVar(&c.Overlay, "overlay", "", "`label`: take only requests that carry it")
	fl.StringVar(&c.Coord, "coord", "", "`URL` of coordination, for kernel services (default the bus)")
	fl.StringVar(&c.Listen, "listen", app.DefaultListen, "`address` of the thin API, for api.gateway")
	fl.StringVar(&c.MetricsListen, "metrics-listen", "127.0.0.1:0", "`address` of metrics, profiles and health, or \""+app.Nothing+"\"; port 0 takes a free one")
	fl.DurationVar(&c.Drain, "drain", 60*time.Second, "longest time to finish requests when stopped")
	o.Logging.Bind(cmd)
	return cmd
}

func serve(ctx context.Context, f *factory.Factory, o *Options) error {
	log, err := o.Logging.Logger(f.Err)
	if err != nil {
		return err
	}
	o.Config.Logger = log
	if o.Config.Bus, _, err = f.BusURL(o.Connection); err != nil {
		return err
	}
	a, err := app.New(o.Config)
	if err != nil { // what it can know without opening anything is what the flags say
		return &factory.UsageError{Err: err, Hint: "hansom run"}
	}
	return up.Serve(ctx, f, a, func(w io.Writer) { ready(w, a) })
}

func ready(w io.Writer, a *app.App) {
	at := a.Admin()
	line := "ready: " + strings.Join(a.Instances(), ", ")
	if at.API != "" {
		line += "; API " + at.API
	}
	if at.Metrics != "" {
		line += "; metrics " + at.Metrics + "/metrics"
	}
	_, _ = fmt.Fprintln(w, line)
}
