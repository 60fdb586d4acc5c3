package config

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

// LsOptions of `hansom config ls`.
type LsOptions struct {
	common

	Prefix string
	AsOf   uint64
}

// NewLs makes `hansom config ls`.
func NewLs(f *factory.Factory, run func(context.Context, *factory.Factory, *LsOptions) error) *cobra.Command {
	o := &LsOptions{}
	cmd := &cobra.Command{
		Use:   "ls [prefix]",
		Short: "List documents",
		Example: `  hansom config ls
  hansom config ls city/`,
		Args:              factory.Args(cobra.MaximumNArgs(1)),
		ValidArgsFunction: f.Complete(&o.Connection, factory.Documents),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.Prefix = args[0]
			}
			return run(cmd.Context(), f, o)
		},
	}
	o.bind(cmd)
	cmd.Flags().Uint64Var(&o.AsOf, "as-of", 0, "as they were at this `revision` (default now)")
	return cmd
}

func list(ctx context.Context, f *factory.Factory, o *LsOptions) error {
	return o.with(ctx, f, func(c *client) error {
		all, err := documents(ctx, c, o)
		if err != nil {
			return err
		}
		if o.Format == output.JSON {
			views := make([]stored, len(all))
			for i, d := range all {
				views[i] = storedOf(d)
			}
			return output.Value(f.Out, views)
		}
		t := output.NewTable(f.Out, "ID", "REVISION", "AT", "AUTHOR", "MESSAGE")
		for _, d := range all {
			t.Row(d.GetId(), d.GetRevision(), output.Time(d.GetAt()), c.author(d.GetAuthor()), output.Line(d.GetMessage()))
		}
		return t.Flush()
	})
}

// documents reads all pages, as of one revision.
func documents(ctx context.Context, c *client, o *LsOptions) ([]*configpb.Document, error) {
	var all []*configpb.Document
	request := &configpb.ListRequest{Prefix: o.Prefix, AsOf: o.AsOf}
	for {
		response, err := c.List(ctx, request)
		if err != nil {
			return nil, err
		}
		page := response.GetDocuments()
		all = append(all, page...)
		if !response.GetMore() || len(page) == 0 {
			return all, nil
		}
		request.After, request.AsOf = page[len(page)-1].GetId(), response.GetRevision()
	}
}
