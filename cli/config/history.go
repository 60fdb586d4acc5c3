package config

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

// HistoryOptions of `hansom config history`.
type HistoryOptions struct {
	common

	Prefix  string
	Before  uint64
	Limit   uint32
	Changes bool
}

// NewHistory makes `hansom config history`.
func NewHistory(f *factory.Factory, run func(context.Context, *factory.Factory, *HistoryOptions) error) *cobra.Command {
	o := &HistoryOptions{}
	cmd := &cobra.Command{
		Use:   "history [prefix]",
		Short: "List changes, newest first",
		Long:  `List changes, newest first: of all documents, or of those whose ids begin with a prefix.`,
		Example: `  hansom config history --limit 10
  hansom config history base --changes`,
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
	fl := cmd.Flags()
	fl.Uint64Var(&o.Before, "before", 0, "only what was before this `revision`")
	fl.Uint32Var(&o.Limit, "limit", 20, "`how many` at most, up to 1000")
	fl.BoolVar(&o.Changes, "changes", false, "with what changed, leaf by leaf")
	return cmd
}

func history(ctx context.Context, f *factory.Factory, o *HistoryOptions) error {
	request := &configpb.HistoryRequest{Prefix: o.Prefix, Before: o.Before, Limit: o.Limit, Changes: o.Changes}
	return o.with(ctx, f, func(c *client) error {
		response, err := c.History(ctx, request)
		if err != nil {
			return err
		}
		all := response.GetRevisions()
		if o.Format == output.JSON {
			views := make([]revision, len(all))
			for i, r := range all {
				views[i] = revisionOf(r)
			}
			return output.Value(f.Out, views)
		}
		if err := printHistory(f.Out, c, all, o.Changes); err != nil {
			return err
		}
		if response.GetMore() {
			_, _ = fmt.Fprintf(f.Err, "there are more; go on with --before %d\n", all[len(all)-1].GetRevision())
		}
		return nil
	})
}

func printHistory(w io.Writer, c *client, all []*configpb.Revision, changes bool) error {
	if !changes {
		t := output.NewTable(w, "REVISION", "AT", "AUTHOR", "DOCUMENTS", "MESSAGE")
		for _, r := range all {
			t.Row(r.GetRevision(), output.Time(r.GetAt()), c.author(r.GetAuthor()), documentsOf(r), output.Line(r.GetMessage()))
		}
		return t.Flush()
	}
	for i, r := range all {
		if i > 0 {
			_, _ = fmt.Fprintln(w)
		}
		if err := printRevision(w, c, r); err != nil {
			return err
		}
	}
	return nil
}

// printRevision writes one revision with what changed.
func printRevision(w io.Writer, c *client, r *configpb.Revision) error {
	_, _ = fmt.Fprintf(w, "revision %d by %s at %s: %s\n", r.GetRevision(), c.author(r.GetAuthor()), output.Time(r.GetAt()), output.Line(r.GetMessage()))
	return printChanges(w, r.GetChanges())
}

// documentsOf names the first few.
func documentsOf(r *configpb.Revision) string {
	const most = 3
	ids := r.GetIds()
	if len(ids) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(ids[:most], " "), len(ids)-most)
	}
	return strings.Join(ids, " ")
}
