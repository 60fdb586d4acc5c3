// Package up is `hansom up`: the whole platform in one process.
package up

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/app"
	"github.com/hansom-platform/hansom/app/broker"
	"github.com/hansom-platform/hansom/app/dial"
	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/logging"
)

// patience is how long starting may take before progress is told.
const patience = 2 * time.Second

// Options of the verb.
type Options struct {
	Config  app.Config
	Demo    bool
	Logging logging.Options
}

// New makes the command. run replaces what it does, in tests; nil means the real thing.
func New(f *factory.Factory, run func(context.Context, *Options) error) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run the whole platform in this process, with a demo city",
		Long: `Run the whole platform in this process, with nothing installed: an embedded bus, the kernel, the thin API, the taxi
services and simulated taxis. With --bus rabbitmq the bus is a private RabbitMQ, which make deps-rabbitmq installs. Standard output tells when all is ready, and where, with a request to try. Ctrl-C stops
everything; a second Ctrl-C does not wait for it.

The data folder is locked while it is used. It holds the environment's keys (keys.json), and in admin.json the first
administrator's name, password and session, which other commands use. Both are made on first start, with mode 0600; nothing has
a default password.`,
		Args: factory.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !o.Demo {
				o.Config.Taxis = 0
				o.Config.Services = app.PlatformServices()
			}
			o.Config.City = cmp.Or(o.Config.City, app.DefaultCity)
			o.Config.Data = cmp.Or(o.Config.Data, app.DefaultData)
			o.Config.Engine = engine(o.Config.Engine, f.Env("HANSOM_BUS"))
			o.Config.Zone = f.Place(o.Config.Zone)
			if run != nil {
				return run(cmd.Context(), o)
			}
			return up(cmd.Context(), f, o)
		},
	}
	fl, c := cmd.Flags(), &o.Config
	fl.BoolVar(&o.Demo, "demo", true, "run the taxi services and simulated taxis")
	fl.IntVar(&c.Taxis, "taxis", 200, "how many taxis to simulate")
	fl.StringVar(&c.City, "city", app.DefaultCity, "`code` of the city that the taxis drive in")
	fl.StringVar(&c.Data, "data", app.DefaultData, "data `folder`")
	_ = cmd.MarkFlagDirname("data")
	fl.StringVar(&c.Listen, "listen", app.DefaultListen, "`address` of the thin API")
	fl.StringVar(&c.ConfigListen, "config-listen", app.DefaultConfigListen, "`address` of the config service's HTTP, or \""+app.Nothing+"\"")
	fl.StringVar(&c.Engine, "bus", "", "what carries the bus: \""+app.EngineNATS+"\", embedded; \""+app.EngineRabbitMQ+
		"\", a private one from the installed packages; or the `URL` of a RabbitMQ that runs (default $HANSOM_BUS if that is amqp://… or amqps://…, else "+app.EngineNATS+")")
	fl.StringVar(&c.BusListen, "bus-listen", broker.DefaultListen, "`address` of the embedded bus")
	fl.StringVar(&c.MetricsListen, "metrics-listen", app.DefaultMetrics, "`address` of metrics, profiles and health, or \""+app.Nothing+"\"")
	fl.StringVar(&c.Environment, "env", "", "`name` of the environment (default $HANSOM_ENV, else "+app.DefaultEnvironment+")")
	fl.StringVar(&c.Zone.Region, "region", "", "`region` that this runs in (default $HANSOM_REGION, else local)")
	fl.StringVar(&c.Zone.Zone, "zone", "", "`zone` that this runs in (default $HANSOM_ZONE, else a)")
	o.Logging.Bind(cmd)
	return cmd
}

// engine is what carries the bus. Another platform's NATS server in the environment is for
// the other commands: this one brings its own.
func engine(flag, environment string) string {
	if flag == "" && (strings.HasPrefix(environment, "amqp://") || strings.HasPrefix(environment, "amqps://")) {
		return environment
	}
	return flag
}

func up(ctx context.Context, f *factory.Factory, o *Options) error {
	log, err := o.Logging.Logger(f.Err)
	if err != nil {
		return err
	}
	o.Config.Logger = log
	a, err := app.New(o.Config)
	if err != nil { // what it can know without opening anything is what the flags say
		return &factory.UsageError{Err: err, Hint: "hansom up"}
	}
	return Serve(ctx, f, a, func(w io.Writer) { ready(w, a.Admin(), o) })
}

// Serve runs a until ctx ends. tell writes the one line when it is ready.
func Serve(ctx context.Context, f *factory.Factory, a *app.App, tell func(io.Writer)) error {
	slow := time.AfterFunc(patience, func() { _, _ = fmt.Fprintln(f.Err, "starting...") })
	defer slow.Stop()
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	select {
	case err := <-done:
		return err
	case <-a.Ready():
		slow.Stop()
		tell(f.Out)
	}
	return <-done
}

func ready(w io.Writer, at app.Admin, o *Options) {
	parts := []string{"API " + at.API}
	if o.Config.Engine != "" && o.Config.Engine != app.EngineNATS {
		parts = append(parts, "bus on RabbitMQ at "+dial.Redacted(strings.SplitN(at.Bus, "?", 2)[0]))
	}
	if at.Config != "" {
		parts = append(parts, "config "+at.Config)
	}
	if at.Metrics != "" {
		parts = append(parts, "metrics "+at.Metrics+"/metrics")
	}
	if o.Config.Taxis > 0 {
		parts = append(parts, fmt.Sprintf("%d taxis in %s", o.Config.Taxis, o.Config.City))
	}
	_, _ = fmt.Fprintf(w, "hansom is ready: %s; data in %s, administrator in %s; stop with Ctrl-C\n",
		strings.Join(parts, ", "), o.Config.Data, filepath.Join(o.Config.Data, "admin.json"))
	if session := at.Demo["customer"].Session; session != "" && o.Config.City == app.DefaultCity {
		_, _ = fmt.Fprintf(w, "\nas a customer in London:\n\n  curl -H 'Authorization: Bearer %s' '%s/v1/customer/neardrivers?city=LON&lat=51.5074&lng=-0.1278'\n\n",
			session, at.API)
	}
}
