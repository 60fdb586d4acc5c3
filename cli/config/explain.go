package config

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

// NewExplain makes `hansom config explain`.
func NewExplain(f *factory.Factory, run func(context.Context, *factory.Factory, *CompileOptions) error) *cobra.Command {
	o := &CompileOptions{}
	cmd := &cobra.Command{
		Use:   "explain [service [path]]",
		Short: "Show which document and revision set each value, and what it overrides",
		Long: `Show, for every leaf of what a service is configured with, which document and which revision set it, and what layers below
it say of it, indented. A path, dotted, keeps to what is at or below it.`,
		Example: `  hansom config explain api.gateway hansom.gateway.timeout
  hansom config explain --path hansom`,
		Args:              factory.Args(cobra.MaximumNArgs(2)),
		ValidArgsFunction: f.Complete(&o.Connection, factory.Services),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.Service = args[0]
			}
			if len(args) == 2 {
				if o.Path != "" {
					return factory.Usage(cmd, "the path is given twice: %s and --path %s", args[1], o.Path)
				}
				o.Path = args[1]
			}
			o.complete(cmd, f, &o.Connection)
			return run(cmd.Context(), f, o)
		},
	}
	o.layers.bind(cmd)
	o.common.bind(cmd)
	return cmd
}

func explain(ctx context.Context, f *factory.Factory, o *CompileOptions) error {
	return o.with(ctx, f, func(c *client) error {
		response, err := c.Explain(ctx, &configpb.ExplainRequest{Layers: o.message(), Path: o.Path, AsOf: o.AsOf})
		if err != nil {
			return err
		}
		if o.Format == output.JSON {
			return output.Value(f.Out, leavesOf(response))
		}
		if len(response.GetLeaves()) == 0 {
			_, err := fmt.Fprintf(f.Err, "nothing is set%s\n", at(o.Path))
			return err
		}
		return printLeaves(f, c, response.GetLeaves())
	})
}

func at(path string) string {
	if path == "" {
		return ""
	}
	return " at " + path
}

func printLeaves(f *factory.Factory, c *client, leaves []*configpb.Leaf) error {
	t := output.NewTable(f.Out, "PATH", "VALUE", "DOCUMENT", "REVISION", "AUTHOR", "MESSAGE")
	for _, l := range leaves {
		t.Row(output.Line(l.GetPath()), output.Line(string(l.GetValue())), l.GetId(), l.GetRevision(), c.author(l.GetAuthor()), output.Line(l.GetMessage()))
		for _, below := range l.GetOverridden() {
			t.Row("  over", output.Line(string(below.GetValue())), below.GetId(), below.GetRevision())
		}
	}
	return t.Flush()
}

type (
	leaf struct {
		Path       string          `json:"path"`
		Value      json.RawMessage `json:"value"`
		ID         string          `json:"id"`
		Revision   uint64          `json:"revision"`
		Author     string          `json:"author"`
		Message    string          `json:"message"`
		At         time.Time       `json:"at"`
		Overridden []overridden    `json:"overridden"`
	}
	overridden struct {
		ID       string          `json:"id"`
		Revision uint64          `json:"revision"`
		Value    json.RawMessage `json:"value"`
	}
)

func leavesOf(r *configpb.ExplainResponse) []leaf {
	list := make([]leaf, len(r.GetLeaves()))
	for i, l := range r.GetLeaves() {
		list[i] = leaf{l.GetPath(), l.GetValue(), l.GetId(), l.GetRevision(), l.GetAuthor(), l.GetMessage(), l.GetAt().AsTime(), []overridden{}}
		for _, o := range l.GetOverridden() {
			list[i].Overridden = append(list[i].Overridden, overridden{o.GetId(), o.GetRevision(), o.GetValue()})
		}
	}
	return list
}
