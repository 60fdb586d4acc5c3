package user

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

// NewCreate makes `hansom user create`.
func NewCreate(f *factory.Factory, run Run) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "create <identifier>...",
		Short: "Create a user",
		Long: `Create a user with one or more identifiers, each unique within the application. The password is asked for twice without
echo, or read from standard input.`,
		Example: `  hansom user create ada@example.com ada --role ADMIN
  echo "$PASSWORD" | hansom user create +442071838750 --application driver --role DRIVER --password-stdin`,
		Args:              factory.Args(cobra.MinimumNArgs(1)),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.NoPassword && o.PasswordStdin {
				return factory.Usage(cmd, "--no-password and --password-stdin exclude each other")
			}
			o.Identifiers = args
			return run(cmd.Context(), f, o)
		},
	}
	o.bind(cmd)
	fl := cmd.Flags()
	fl.StringSliceVar(&o.Roles, "role", nil, "`role` of the user; may be repeated")
	fl.BoolVar(&o.NoPassword, "no-password", false, "no login by password until one is set")
	fl.BoolVar(&o.PasswordStdin, "password-stdin", false, "read the password from standard input")
	return cmd
}

func create(ctx context.Context, f *factory.Factory, o *Options) error {
	request := &loginpb.CreateUserRequest{Application: o.Application, Identifiers: o.Identifiers, Roles: o.Roles}
	if !o.NoPassword {
		var err error
		if request.Password, err = f.NewSecret("password of "+o.Identifiers[0], o.PasswordStdin); err != nil {
			return err
		}
	}
	return f.With(ctx, o.Connection, func(s *factory.Session) error {
		response, err := loginpb.NewLoginClient(s).CreateUser(ctx, request)
		if err != nil {
			return err
		}
		return tell(f, o.Format, response.GetUser())
	})
}
