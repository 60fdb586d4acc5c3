// Package user is `hansom user`: who may log in, and with which roles.
package user

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

// Options of every verb.
type Options struct {
	Connection    factory.Connection
	Format        output.Format
	Application   string
	User          string   // id or identifier
	Identifiers   []string // of create
	Roles         []string // of create and update
	SetRoles      bool
	Add, Remove   []string // identifiers, of update
	Disable       bool
	Enable        bool
	NoPassword    bool // of create
	PasswordStdin bool // of create and password
}

// Run is what a verb does; tests replace it.
type Run func(ctx context.Context, f *factory.Factory, o *Options) error

// New makes the command.
func New(f *factory.Factory) *cobra.Command {
	return factory.Group(&cobra.Command{
		Use:   "user",
		Short: "Create, show and change users",
		Long: `Create, show and change users. Each belongs to an application (admin for operators, customer, driver), and may have several
identifiers: names, email addresses, phone numbers. A role with dots implies those below it: FLEET implies FLEET.REPORT.`,
	}, NewCreate(f, create), NewLs(f, list), NewShow(f, show), NewUpdate(f, update), NewDelete(f, remove), NewPassword(f, password))
}

func (o *Options) bind(cmd *cobra.Command) {
	o.Connection.Bind(cmd)
	o.Format.Bind(cmd)
	factory.BindApplication(cmd, &o.Application)
}

// one makes a verb about one user.
func one(f *factory.Factory, o *Options, run Run, cmd *cobra.Command) *cobra.Command {
	cmd.Args = factory.Args(cobra.ExactArgs(1))
	cmd.ValidArgsFunction = f.Complete(&o.Connection, factory.Users(&o.Application))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.User = args[0]
		return run(cmd.Context(), f, o)
	}
	o.bind(cmd)
	return cmd
}

// tell shows one user.
func tell(f *factory.Factory, format output.Format, u *loginpb.User) error {
	if format == output.JSON {
		return output.Message(f.Out, u)
	}
	t := output.NewList(f.Out)
	t.Row("id", u.GetId())
	t.Row("application", u.GetApplication())
	t.Row("identifiers", identifiers(u))
	t.Row("roles", strings.Join(u.GetRoles(), " "))
	t.Row("state", state(u))
	t.Row("created", output.Time(u.GetCreated()))
	t.Row("password set", output.Time(u.GetPasswordSet()))
	return t.Flush()
}

func identifiers(u *loginpb.User) string { return output.Line(strings.Join(u.GetIdentifiers(), " ")) }

func state(u *loginpb.User) string {
	switch {
	case u.GetDisabled():
		return "disabled"
	case u.GetPasswordSet() == nil:
		return "no password"
	}
	return "enabled"
}

func notFound(o *Options) error {
	return fmt.Errorf("there is no user %s in the application %s; `hansom user ls --application %s` lists all", o.User, o.Application, o.Application)
}
