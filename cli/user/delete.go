package user

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

// NewDelete makes `hansom user delete`.
func NewDelete(f *factory.Factory, run Run) *cobra.Command {
	o := &Options{}
	return one(f, o, run, &cobra.Command{
		Use:     "delete <user>",
		Aliases: []string{"rm"},
		Short:   "Delete a user and end the user's sessions",
		Example: "  hansom user delete ada@example.com",
	})
}

func remove(ctx context.Context, f *factory.Factory, o *Options) error {
	return f.With(ctx, o.Connection, func(s *factory.Session) error {
		login := loginpb.NewLoginClient(s)
		found, err := login.Users(ctx, &loginpb.UsersRequest{Application: o.Application, User: o.User})
		if err != nil {
			return err
		}
		if len(found.GetUsers()) == 0 { // deleting is idempotent; a slip of the keyboard should be told all the same
			return notFound(o)
		}
		response, err := login.DeleteUser(ctx, &loginpb.DeleteUserRequest{Application: o.Application, User: found.GetUsers()[0].GetId()})
		if err != nil {
			return err
		}
		if o.Format == output.JSON {
			return output.Message(f.Out, response)
		}
		_, err = fmt.Fprintf(f.Out, "%s of %s is deleted\n", o.User, o.Application)
		return err
	})
}
