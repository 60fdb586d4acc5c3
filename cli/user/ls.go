package user

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

// NewLs makes `hansom user ls`.
func NewLs(f *factory.Factory, run Run) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:               "ls",
		Short:             "List the users of an application",
		Example:           "  hansom user ls --application customer",
		Args:              factory.Args(cobra.NoArgs),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), f, o) },
	}
	o.bind(cmd)
	return cmd
}

func list(ctx context.Context, f *factory.Factory, o *Options) error {
	return f.With(ctx, o.Connection, func(s *factory.Session) error {
		all, err := users(ctx, s, o.Application)
		if err != nil {
			return err
		}
		if o.Format == output.JSON {
			return output.Messages(f.Out, all)
		}
		t := output.NewTable(f.Out, "IDENTIFIERS", "ROLES", "STATE", "CREATED", "ID")
		for _, u := range all {
			t.Row(identifiers(u), strings.Join(u.GetRoles(), " "), state(u), output.Time(u.GetCreated()), u.GetId())
		}
		return t.Flush()
	})
}

// users reads all pages.
func users(ctx context.Context, s *factory.Session, application string) ([]*loginpb.User, error) {
	var all []*loginpb.User
	request := &loginpb.UsersRequest{Application: application}
	for {
		response, err := loginpb.NewLoginClient(s).Users(ctx, request)
		if err != nil {
			return nil, err
		}
		all = append(all, response.GetUsers()...)
		if request.Continue = response.GetContinue(); request.Continue == "" {
			return all, nil
		}
	}
}
