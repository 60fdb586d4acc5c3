package user

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

// NewPassword makes `hansom user password`.
func NewPassword(f *factory.Factory, run Run) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "password [user]",
		Short: "Set the password of a user, or change your own",
		Long: `Set the password of a user as an administrator, or, without naming one, change your own, for which the old one is needed.
Passwords are asked for without echo; with --password-stdin they are lines of standard input: the old one first, then the new
one. Other sessions of the user end.`,
		Example: `  hansom user password
  hansom user password demo@example.com --application customer`,
		Args:              factory.Args(cobra.MaximumNArgs(1)),
		ValidArgsFunction: f.Complete(&o.Connection, factory.Users(&o.Application)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.User = args[0]
			}
			return run(cmd.Context(), f, o)
		},
	}
	o.bind(cmd)
	cmd.Flags().BoolVar(&o.PasswordStdin, "password-stdin", false, "read the passwords from standard input")
	return cmd
}

func password(ctx context.Context, f *factory.Factory, o *Options) error {
	return f.With(ctx, o.Connection, func(s *factory.Session) error {
		if o.User == "" {
			return own(ctx, f, s, o)
		}
		secret, err := f.NewSecret("new password of "+o.User, o.PasswordStdin)
		if err != nil {
			return err
		}
		response, err := loginpb.NewLoginClient(s).UpdateUser(ctx, &loginpb.UpdateUserRequest{Application: o.Application, User: o.User, Password: secret})
		if err != nil {
			return err
		}
		warnKept(f, s, o, o.Application, response.GetUser().GetIdentifiers())
		return tell(f, o.Format, response.GetUser())
	})
}

func own(ctx context.Context, f *factory.Factory, s *factory.Session, o *Options) error {
	proof, err := s.Proof(ctx)
	if err != nil {
		return err
	}
	if proof.Token == "" {
		return errors.New("nobody is logged in here: name a user, or log in with `hansom login`")
	}
	who, err := factory.Claims(proof.Token)
	if err != nil {
		return err
	}
	if proof.Identifier == "" {
		return errors.New("the session does not say by which identifier you log in; use `hansom login` first")
	}
	r := &loginpb.ChangePasswordRequest{Application: who.Application, Identifier: proof.Identifier, Source: factory.DeviceType}
	if r.OldPassword, err = f.Secret("old password of "+proof.Identifier+": ", o.PasswordStdin); err != nil {
		return err
	}
	if r.NewPassword, err = f.NewSecret("new password", o.PasswordStdin); err != nil {
		return err
	}
	response, err := loginpb.NewLoginClient(s).ChangePassword(ctx, r)
	if err != nil {
		return err
	}
	warnKept(f, s, o, who.Application, []string{proof.Identifier})
	if o.Format == output.JSON {
		return output.Message(f.Out, response)
	}
	_, err = fmt.Fprintf(f.Out, "the password of %s is changed\n", proof.Identifier)
	return err
}

// warnKept tells where the old password still is.
func warnKept(f *factory.Factory, s *factory.Session, o *Options, application string, identifiers []string) {
	for _, name := range identifiers {
		if s.Known(application, name).Password != "" {
			_, _ = fmt.Fprintf(f.Err, "warning: %s/admin.json still holds the old password of %s; change it there too\n", o.Connection.Data, name)
		}
	}
}
