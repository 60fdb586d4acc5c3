// Package sim is `hansom sim`: more simulated taxis, in any city.
package sim

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/app"
	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/logging"
	taxis "github.com/hansom-platform/hansom/services/sim"
)

// progress is how often the progress is told.
const progress = time.Second

// Options of the verb.
type Options struct {
	API      string // base URL; else what admin.json of Data says
	Data     string
	City     string
	Taxis    int
	Seed     uint64
	Interval time.Duration
	Logging  logging.Options

	// Of a user of the application driver with the role FLEET; else those of the demo
	// that admin.json of Data holds.
	Identifier    string
	PasswordStdin bool
}

// New makes the command. run replaces what it does, in tests; nil means the real thing.
func New(f *factory.Factory, run func(context.Context, *Options) error) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Drive simulated taxis through a city, by the public HTTP API",
		Long: `Drive simulated taxis through a city, by the public HTTP API, as real driver apps would: each signs on with a profile and
reports its position every few seconds. Ctrl-C signs them off.

The taxis log in as one user of the application driver, who may report for any driver (role FLEET): that of the demo, from
the data folder's admin.json, or the one of --identifier, whose password is $HANSOM_PASSWORD, or is asked for.`,
		Example: `  hansom sim --city DUB --taxis 50
  hansom sim --api https://api.example.com --identifier fleet@example.com --password-stdin < password`,
		Args: factory.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Taxis < 1 {
				return factory.Usage(cmd, "--taxis %d: want at least 1", o.Taxis)
			}
			if o.PasswordStdin && o.Identifier == "" {
				return factory.Usage(cmd, "--password-stdin: whose? Give --identifier")
			}
			if run != nil {
				return run(cmd.Context(), o)
			}
			return drive(cmd.Context(), f, o)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&o.API, "api", "", "base `URL` of the thin API (default what admin.json in the data folder says)")
	fl.StringVar(&o.Data, "data", app.DefaultData, "data `folder` of the `hansom up` to talk to")
	_ = cmd.MarkFlagDirname("data")
	fl.StringVar(&o.City, "city", app.DefaultCity, "`code` of the city")
	fl.IntVar(&o.Taxis, "taxis", 100, "how many taxis")
	fl.Uint64Var(&o.Seed, "seed", 0, "the same seed gives the same drivers and ways; 0 draws one")
	fl.DurationVar(&o.Interval, "interval", 5*time.Second, "mean time between a taxi's reports")
	fl.StringVarP(&o.Identifier, "identifier", "u", "", "`name` of the user that the taxis log in as (default the demo's, from admin.json)")
	fl.BoolVar(&o.PasswordStdin, "password-stdin", false, "read the password from standard input")
	o.Logging.Bind(cmd)
	return cmd
}

func drive(ctx context.Context, f *factory.Factory, o *Options) error {
	log, err := o.Logging.Logger(f.Err)
	if err != nil {
		return err
	}
	fleet, err := o.find(f)
	if err != nil {
		return err
	}
	s, err := taxis.New(taxis.Config{
		API: o.API, Identifier: fleet.Identifier, Password: fleet.Password, City: o.City, Drivers: o.Taxis, Seed: o.Seed, Interval: o.Interval, Logger: log,
	})
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(f.Out, "driving %d taxis in %s by %s; stop with Ctrl-C\n", o.Taxis, o.City, o.API)
	stop := tell(ctx, f, s.Stats)
	defer stop()
	return s.Run(ctx)
}

// find fills in where the thin API is, and returns whom the taxis log in as: nobody where that
// is neither said nor in the admin.json of the same platform.
func (o *Options) find(f *factory.Factory) (fleet app.DemoUser, err error) {
	admin, err := f.Admin(o.Data)
	if err != nil && o.API == "" {
		return fleet, err
	}
	o.API = cmp.Or(o.API, admin.API)
	if known := admin.Demo["fleet"]; admin.API == o.API && (o.Identifier == "" || o.Identifier == known.Identifier) && !o.PasswordStdin {
		return known, nil
	}
	if o.Identifier == "" {
		return fleet, nil
	}
	fleet.Identifier = o.Identifier
	if fleet.Password = f.Env("HANSOM_PASSWORD"); fleet.Password == "" || o.PasswordStdin {
		fleet.Password, err = f.Secret("password of "+o.Identifier+": ", o.PasswordStdin)
		return fleet, err
	}
	return fleet, nil
}

// tell shows the progress: on a terminal one line that changes, elsewhere nothing
// until the end.
func tell(ctx context.Context, f *factory.Factory, stats func() taxis.Stats) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(progress)
		defer tick.Stop()
		for f.Terminal {
			select {
			case <-tick.C:
				_, _ = fmt.Fprintf(f.Err, "\r%s ", summary(stats()))
			case <-ctx.Done():
				_, _ = fmt.Fprintln(f.Err)
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
		_, _ = fmt.Fprintln(f.Out, summary(stats()))
	}
}

func summary(s taxis.Stats) string {
	return fmt.Sprintf("%d on duty, %d positions reported, %d requests failed", s.SignedOn, s.Reports, s.Failures)
}
