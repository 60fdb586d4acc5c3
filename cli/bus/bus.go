// Package bus is `hansom bus`: what a RabbitMQ needs to carry the platform's bus, and who may log in to it.
package bus

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/app/dial"
	"github.com/hansom-platform/hansom/bus/rabbitbus"
	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	"github.com/hansom-platform/hansom/fault"
)

// Options of every verb.
type Options struct {
	Connection factory.Connection
	Format     output.Format

	DryRun bool // of setup
	Yes    bool // of setup

	User          rabbitbus.User // of user add; Name of user rm too
	PasswordStdin bool           // of user add
	KeepPassword  bool           // of user add
}

// Run is what a verb does; tests replace it.
type Run func(ctx context.Context, f *factory.Factory, o *Options) error

// New makes the command.
func New(f *factory.Factory) *cobra.Command {
	users := factory.Group(&cobra.Command{
		Use:   "user",
		Short: "Make, list and remove users of the broker with the least rights for their purpose",
	}, NewUserAdd(f, addUser), NewUserLs(f, listUsers), NewUserRm(f, removeUser))
	return factory.Group(&cobra.Command{
		Use:   "bus",
		Short: "Set a RabbitMQ up as the bus, and say who may use it",
		Long: `Set a RabbitMQ up as the platform's bus, and make the users that services log in to it as. These commands use the broker's
management API, which the bus URL's parameter management names, as the user of that URL.`,
	}, NewSetup(f, setup), users)
}

func (o *Options) bind(cmd *cobra.Command) {
	o.Connection.BindBus(cmd)
	o.Format.Bind(cmd)
}

// config is the broker of the bus.
func (o *Options) config(f *factory.Factory) (rabbitbus.Config, error) {
	raw, source, err := f.BusURL(o.Connection)
	if err != nil {
		return rabbitbus.Config{}, err
	}
	switch scheme, _, _ := strings.Cut(raw, "://"); scheme {
	case "amqp", "amqps":
	case "nats", "tls":
		return rabbitbus.Config{}, fault.New(fault.BadRequest, "bus.needs_no_setup",
			"the bus %s (from %s) is NATS and needs no setup; name a RabbitMQ with --bus or $HANSOM_BUS", dial.Redacted(raw), source)
	}
	config, err := rabbitbus.ParseURL(raw)
	if err != nil {
		return config, fmt.Errorf("%w (from %s)", err, source)
	}
	place := f.From(o.Connection)
	config.Zone.Region = cmp.Or(config.Zone.Region, place.Region)
	config.Zone.Zone = cmp.Or(config.Zone.Zone, place.Zone)
	return config, nil
}
