package bus

import (
	"cmp"
	"context"
	"crypto/rand"
	"net/url"
	"regexp"
	"slices"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/app"
	"github.com/hansom-platform/hansom/bus/rabbitbus"
	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	"github.com/hansom-platform/hansom/kernel/binding"
)

// NewUserAdd makes `hansom bus user add`.
func NewUserAdd(f *factory.Factory, run Run) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "add <name>",
		Short: "Make a user of the broker with the least rights, or give one these rights",
		Long: `Make a user of the broker, for the services of a process, for kernel.binding, or for the links of another zone. Without a flag
that says what for, it is the user of the service of that name. A service's user may serve, call, publish, and subscribe; it may not
open another service's queues, nor route requests to itself.

A password is made and printed once, with the bus URL to use, or read from standard input and not printed. For a user that is there
already, rights and password are replaced; connections that are open stay. It takes a management user with the tag administrator.`,
		Example: `  hansom bus user add core.eta
  hansom bus user add routing --service core.routing --service core.eta --password-stdin < /run/secrets/routing
  hansom bus user add kernel.binding --keeper
  hansom bus user add zone-b --zone-links b
  hansom bus user add core.eta --keep-password      # its rights as this release has them`,
		Args:              factory.Args(cobra.ExactArgs(1)),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.User.Name = args[0]
			if err := o.purpose(cmd); err != nil {
				return err
			}
			return run(cmd.Context(), f, o)
		},
	}
	o.bind(cmd)
	fl := cmd.Flags()
	fl.StringArrayVar(&o.User.Services, "service", nil, "`service` that a process runs as this user; repeatable (default the user's name)")
	fl.StringArrayVar(&o.User.Groups, "group", nil, "durable `group` of subscribers that it may be in; repeatable (default the services)")
	fl.BoolVar(&o.User.Keeper, "keeper", false, "for "+binding.Name+": may do everything in the virtual host, and set up federation")
	fl.StringVar(&o.User.Zone, "zone-links", "", "for the federation links of the brokers of this other `zone`")
	fl.BoolVar(&o.PasswordStdin, "password-stdin", false, "read the password from a line of standard input")
	fl.BoolVar(&o.KeepPassword, "keep-password", false, "change only the rights of a user that is there")
	return cmd
}

var serviceName = regexp.MustCompile(`^(api|orchestration|core|kernel)(\.[a-z][a-z0-9]*)+$`)

// purpose fills in what the user is for.
func (o *Options) purpose(cmd *cobra.Command) error {
	u := &o.User
	purposes := 0
	for _, flag := range []string{"service", "keeper", "zone-links"} {
		if cmd.Flags().Changed(flag) {
			purposes++
		}
	}
	if purposes > 1 {
		return factory.Usage(cmd, "--service, --keeper and --zone-links exclude each other: make a user for each purpose")
	}
	if o.PasswordStdin && o.KeepPassword {
		return factory.Usage(cmd, "--password-stdin and --keep-password exclude each other")
	}
	if cmd.Flags().Changed("zone-links") && u.Zone == "" || slices.Contains(u.Groups, "") {
		return factory.Usage(cmd, "--zone-links and --group want a name, and got an empty one")
	}
	if err := app.CheckWord("zone", u.Zone); err != nil {
		return factory.Usage(cmd, "--zone-links: %w", err)
	}
	if !u.Keeper && u.Zone == "" && len(u.Services) == 0 {
		u.Services = []string{u.Name}
	}
	if len(u.Groups) > 0 && len(u.Services) == 0 {
		return factory.Usage(cmd, "--group is for a user of services")
	}
	for _, s := range u.Services {
		if !serviceName.MatchString(s) {
			return factory.Usage(cmd, "%q is no name of a service: want a tier and lower-case words, such as --service core.eta; or say --keeper or --zone-links", s)
		}
		if s == binding.Name {
			return factory.Usage(cmd, "%s changes the broker's bindings: say --keeper in place of --service", s)
		}
	}
	return nil
}

func addUser(ctx context.Context, f *factory.Factory, o *Options) (err error) {
	config, err := o.config(f)
	if err != nil {
		return err
	}
	user := o.User
	switch {
	case o.PasswordStdin:
		user.Password, err = f.Secret("", true)
	case !o.KeepPassword:
		user.Password = rand.Text()
	}
	if err != nil {
		return err
	}
	report, err := rabbitbus.AddUser(ctx, config, user)
	if err != nil {
		return err
	}
	if o.PasswordStdin {
		user.Password = ""
	}
	return tellUser(f, o, user, config, report)
}

// tellUser prints a password that was made here, which nobody else knows.
func tellUser(f *factory.Factory, o *Options, user rabbitbus.User, config rabbitbus.Config, r rabbitbus.Report) error {
	at := ""
	if user.Password != "" {
		var err error
		if at, err = userURL(user, config); err != nil {
			return err
		}
	}
	if o.Format == output.JSON {
		return output.Value(f.Out, struct {
			User     string   `json:"user"`
			Changes  []string `json:"changes"`
			Password string   `json:"password,omitempty"`
			Bus      string   `json:"bus,omitempty"`
		}{user.Name, r.Changes, user.Password, at})
	}
	t := output.NewList(f.Out)
	t.Row("user", user.Name)
	for _, change := range r.Changes {
		t.Row("done", change)
	}
	if user.Password != "" {
		t.Row("password", user.Password)
		t.Row("bus", at)
		t.Row("note", "the password is not shown again")
	}
	return t.Flush()
}

// userURL is the bus URL of the user: for services with their zone, for links as in a zones file.
func userURL(user rabbitbus.User, config rabbitbus.Config) (string, error) {
	u, err := url.Parse(config.URL)
	if err != nil {
		return "", err
	}
	u.User = url.UserPassword(user.Name, user.Password)
	if user.Zone == "" {
		u.RawQuery = "region=" + url.QueryEscape(config.Zone.Region) + "&zone=" + url.QueryEscape(config.Zone.Zone)
	}
	if user.Keeper {
		m, err := url.Parse(cmp.Or(config.Management, config.URL))
		if err != nil {
			return "", err
		}
		m.User = u.User
		u.RawQuery += "&management=" + url.QueryEscape(m.String())
	}
	return u.String(), nil
}
