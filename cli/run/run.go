// Package run is `hansom run`: some services, on a bus that runs already.
package run

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hansom-platform/hansom/app"
	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/logging"
	"github.com/hansom-platform/hansom/cli/up"
	"github.com/hansom-platform/hansom/platform/auth"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
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

An instance proves which service it is with a credential. Where HANSOM_IDENTITY names none (a file, or a folder with
<service>.json), kernel.login is asked for one that lives as long as this process, which takes an administrator.

There is ` + strings.Join(app.Services(), ", ") + `.`,
		Example: `  hansom run core.eta --version 20990101000000
  hansom run core.routing --overlay alice`,
		Args:              factory.Args(cobra.MinimumNArgs(1)),
		ValidArgsFunction: cobra.FixedCompletions(app.Services(), cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Config.Services = args
			o.Config.Zone = f.From(o.Connection)
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
	fl.StringVar(&c.Coord, "coord", "", "`URL` of coordination, for kernel services and api.gateway (default that of the platform on --data, else the bus; RabbitMQ cannot coordinate)")
	fl.StringVar(&c.Store, "store", "", "`URL` of the store, for kernel.config and kernel.login, such as sqlite:data/store.db")
	fl.StringVar(&c.Keys, "keys", "", "`file` with the environment's keys, for kernel.config and kernel.login, such as data/keys.json")
	_ = cmd.MarkFlagFilename("keys")
	fl.StringVar(&c.Environment, "env", "", "`name` of the environment (default $HANSOM_ENV, else "+app.DefaultEnvironment+")")
	fl.StringVar(&c.ConfigListen, "config-listen", app.DefaultConfigListen, "`address` of the config service's HTTP, for kernel.config, or \""+app.Nothing+"\"")
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
	if err := o.find(f); err != nil {
		return err
	}
	if f.Env("HANSOM_IDENTITY") == "" && o.Config.Keys == "" {
		o.Config.Credential = enrol(f, o.Connection)
	}
	a, err := app.New(o.Config)
	if err != nil { // what it can know without opening anything is what the flags say
		return &factory.UsageError{Err: err, Hint: "hansom run"}
	}
	return up.Serve(ctx, f, a, func(w io.Writer) { ready(w, a) })
}

// find fills in the bus, and coordination where a data folder says where both are.
func (o *Options) find(f *factory.Factory) (err error) {
	if o.Config.Bus, _, err = f.BusURL(o.Connection); err != nil {
		return err
	}
	if o.Config.Coord != "" || o.Connection.Bus != "" || f.Env("HANSOM_BUS") != "" {
		return nil
	}
	admin, err := f.Admin(o.Connection.Data)
	o.Config.Coord = admin.Coord
	return err
}

// credentialLife is longer than a process lives that somebody started by hand.
const credentialLife = 365 * 24 * time.Hour

// enrol asks kernel.login for credentials, as the administrator that the command line
// is.
func enrol(f *factory.Factory, c factory.Connection) func(context.Context, string) (*auth.Credential, error) {
	return func(ctx context.Context, service string) (*auth.Credential, error) {
		session, err := f.Open(ctx, c)
		if err != nil {
			return nil, err
		}
		defer session.Close()
		ctx, cancel := context.WithTimeout(ctx, enrolTimeout)
		defer cancel()
		answer, err := loginpb.NewLoginClient(session).Enrol(ctx, &loginpb.EnrolRequest{Service: service, ValidFor: durationpb.New(credentialLife)})
		if err != nil {
			return nil, fmt.Errorf("get a credential for %s: %w", service, err)
		}
		credential := new(auth.Credential)
		if err := json.Unmarshal(answer.GetCredential(), credential); err != nil {
			return nil, fmt.Errorf("get a credential for %s: %w", service, err)
		}
		return credential, nil
	}
}

const enrolTimeout = 10 * time.Second

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
