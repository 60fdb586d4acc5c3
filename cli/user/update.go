package user

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

// NewUpdate makes `hansom user update`.
func NewUpdate(f *factory.Factory, run Run) *cobra.Command {
	o := &Options{}
	cmd := one(f, o, run, &cobra.Command{
		Use:   "update <user>",
		Short: "Change the roles, identifiers or state of a user",
		Long: `Change a user. --role replaces all roles: name every role that the user shall have, or --role '' for none. Fewer roles, and
disabling, end the user's sessions everywhere within a second.`,
		Example: `  hansom user update ada --role ADMIN --role OPS
  hansom user update fleet@example.com --application driver --disable
  hansom user update ada --add ada@example.org --remove ada@example.com`,
	})
	fl := cmd.Flags()
	fl.StringSliceVar(&o.Roles, "role", nil, "`role` that the user shall have; may be repeated")
	fl.StringSliceVar(&o.Add, "add", nil, "another `identifier`; may be repeated")
	fl.StringSliceVar(&o.Remove, "remove", nil, "`identifier` to take away; may be repeated")
	fl.BoolVar(&o.Disable, "disable", false, "end all sessions and refuse logins")
	fl.BoolVar(&o.Enable, "enable", false, "allow logins again")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		o.SetRoles = cmd.Flags().Changed("role")
		switch {
		case o.Disable && o.Enable:
			return factory.Usage(cmd, "--disable and --enable exclude each other")
		case !o.SetRoles && len(o.Add) == 0 && len(o.Remove) == 0 && !o.Disable && !o.Enable:
			return factory.Usage(cmd, "nothing to change: give --role, --add, --remove, --disable or --enable")
		}
		return nil
	}
	return cmd
}

func update(ctx context.Context, f *factory.Factory, o *Options) error {
	request := &loginpb.UpdateUserRequest{
		Application: o.Application, User: o.User, SetRoles: o.SetRoles, Roles: given(o.Roles),
		AddIdentifiers: o.Add, RemoveIdentifiers: o.Remove, SetDisabled: o.Disable || o.Enable, Disabled: o.Disable,
	}
	return f.With(ctx, o.Connection, func(s *factory.Session) error {
		response, err := loginpb.NewLoginClient(s).UpdateUser(ctx, request)
		if err != nil {
			return err
		}
		return tell(f, o.Format, response.GetUser())
	})
}

// given leaves out what --role ” adds.
func given(roles []string) []string {
	var all []string
	for _, r := range roles {
		if r != "" {
			all = append(all, r)
		}
	}
	return all
}
