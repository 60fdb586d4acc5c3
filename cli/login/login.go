// Package login is `hansom login`: a session for the commands to come, or for HTTP.
package login

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	"github.com/hansom-platform/hansom/cli/session"
)

// Options of the verb.
type Options struct {
	Connection    factory.Connection
	Format        output.Format
	Application   string
	Identifier    string
	DeviceType    string
	PasswordStdin bool
}

// New makes the command. run replaces what it does, in tests; nil means the real thing.
func New(f *factory.Factory, run func(context.Context, *Options) error) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "login [--application <application>] [--identifier <name>]",
		Short: "Log in, as yourself or as any user whose password you know",
		Long: `Log in with a password, which is asked for without echo, or read from the first line of standard input. The session of an
operator (application admin) is kept for the commands that follow, in $XDG_STATE_HOME/hansom/sessions.json (mode 0600), and
ends with "hansom logout". One of another application is only printed, to be used with curl.

Where the data folder's admin.json knows the password, that of the first administrator or of a demo user, it is not asked for;
without --identifier the one that admin.json knows is meant.`,
		Example: `  hansom login --identifier ada@example.com
  hansom login --application customer
  curl -H "Authorization: Bearer $(hansom login --application customer -o json | jq -r .session_id)" \
    'http://localhost:8080/v1/customer/neardrivers?city=LON&lat=51.5074&lng=-0.1278'`,
		Args:              factory.Args(cobra.NoArgs),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if run != nil {
				return run(cmd.Context(), o)
			}
			return login(cmd.Context(), f, o)
		},
	}
	o.Connection.Bind(cmd)
	o.Format.Bind(cmd)
	factory.BindApplication(cmd, &o.Application)
	fl := cmd.Flags()
	fl.StringVarP(&o.Identifier, "identifier", "u", "", "any `name` of the user: a name, an email address, a phone number")
	fl.StringVar(&o.DeviceType, "device-type", factory.DeviceType, "`type` of the device: a user has one session on each")
	fl.BoolVar(&o.PasswordStdin, "password-stdin", false, "read the password from standard input")
	return cmd
}

func login(ctx context.Context, f *factory.Factory, o *Options) error {
	return f.With(ctx, o.Connection, func(s *factory.Session) error {
		credentials, err := ask(f, s, o)
		if err != nil {
			return err
		}
		r, err := s.LogIn(ctx, credentials)
		if err != nil {
			return err
		}
		opened, err := session.NewOpened(r.GetSessionId(), r.GetToken(), r.GetExpires().AsTime(), r.GetUser())
		if err != nil {
			return err
		}
		return opened.Show(f, o.Format, o.Application != factory.AdminUsers)
	})
}

func ask(f *factory.Factory, s *factory.Session, o *Options) (factory.Credentials, error) {
	c := s.Known(o.Application, o.Identifier)
	c.DeviceType = o.DeviceType
	if c.Identifier == "" {
		return c, &factory.UsageError{Hint: "hansom login",
			Err: fmt.Errorf("who? Give --identifier: %s/admin.json knows no user of the application %s", o.Connection.Data, o.Application)}
	}
	if c.Password != "" && !o.PasswordStdin {
		return c, nil
	}
	var err error
	c.Password, err = f.Secret(fmt.Sprintf("password of %s: ", c.Identifier), o.PasswordStdin)
	return c, err
}
