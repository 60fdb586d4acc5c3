// Package initialise is `hansom init`: a new environment, before anything of it runs.
package initialise

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/app"
	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/logging"
)

// Options of the verb.
type Options struct {
	Config  app.Config
	Logging logging.Options
}

// New makes the command. run replaces what it does, in tests; nil means the real thing.
func New(f *factory.Factory, run func(context.Context, *Options) error) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make the keys and the first administrator of a new environment",
		Long: `Make what an environment needs before its services can run as processes of their own, on a bus that is there already: its
keys (keys.json) and its first administrator (admin.json), both of mode 0600 in the data folder. What is there already
stays as it is. "hansom up" does this by itself.

Whoever has keys.json is any user and any service of the environment: only kernel.login and kernel.config need it.`,
		Example: `  export HANSOM_BUS=tls://bus.example:4222
  hansom init --data /var/lib/hansom
  hansom run kernel.discovery kernel.binding kernel.config kernel.login \
    --keys /var/lib/hansom/keys.json --store sqlite:/var/lib/hansom/store.db`,
		Args: factory.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Config.Bus == "" {
				o.Config.Bus = f.Env("HANSOM_BUS")
			}
			if o.Config.Bus == "" {
				return factory.Usage(cmd, "no bus: say with --bus or $HANSOM_BUS which one the environment is going to use")
			}
			if run != nil {
				return run(cmd.Context(), o)
			}
			return initialise(cmd.Context(), f, o)
		},
	}
	fl, c := cmd.Flags(), &o.Config
	fl.StringVar(&c.Bus, "bus", "", "`URL` of the bus that the environment is going to use (default $HANSOM_BUS)")
	fl.StringVar(&c.Data, "data", app.DefaultData, "data `folder`, made where missing")
	_ = cmd.MarkFlagDirname("data")
	fl.StringVar(&c.Store, "store", "", "`URL` of the store (default store.db in the data folder)")
	fl.StringVar(&c.Environment, "env", "", "`name` of the environment (default $HANSOM_ENV, else "+app.DefaultEnvironment+")")
	o.Logging.Bind(cmd)
	return cmd
}

func initialise(ctx context.Context, f *factory.Factory, o *Options) error {
	log, err := o.Logging.Logger(f.Err)
	if err != nil {
		return err
	}
	o.Config.Logger = log
	if err := app.Init(ctx, o.Config); err != nil {
		return err
	}
	_, err = fmt.Fprintf(f.Out, "the environment is ready for its services: keys in %s, administrator in %s\n",
		filepath.Join(o.Config.Data, "keys.json"), filepath.Join(o.Config.Data, "admin.json"))
	return err
}
