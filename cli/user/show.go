package user

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

// NewShow makes `hansom user show`.
func NewShow(f *factory.Factory, run Run) *cobra.Command {
	o := &Options{}
	return one(f, o, run, &cobra.Command{
		Use:     "show <user>",
		Short:   "Show a user, named by any identifier or by id",
		Example: "  hansom user show ada@example.com",
	})
}

func show(ctx context.Context, f *factory.Factory, o *Options) error {
	return f.With(ctx, o.Connection, func(s *factory.Session) error {
		response, err := loginpb.NewLoginClient(s).Users(ctx, &loginpb.UsersRequest{Application: o.Application, User: o.User})
		if err != nil {
			return err
		}
		if len(response.GetUsers()) == 0 {
			return notFound(o)
		}
		return tell(f, o.Format, response.GetUsers()[0])
	})
}
