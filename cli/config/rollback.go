package config

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

// RollbackOptions of `hansom config rollback`.
type RollbackOptions struct {
	common

	To, Undo uint64 // one of them
	Seen     uint64 // 0: the newest
	ID       string
	Message  string
	Force    bool
	DryRun   bool
}

// NewRollback makes `hansom config rollback`.
func NewRollback(f *factory.Factory, run func(context.Context, *factory.Factory, *RollbackOptions) error) *cobra.Command {
	o := &RollbackOptions{}
	cmd := &cobra.Command{
		Use:   "rollback (--to <revision> | --undo <revision>) [id] -m <why>",
		Short: "Go back to an earlier revision, or undo one, as a new revision",
		Long: `Make documents what they were at an earlier revision (--to), or take back what one revision changed and leave later changes in
place (--undo). With an id only that document is meant. The history stays: a rollback is a new revision.

It is refused, with the list, where others have changed the same leaves since: after the undone revision, or after the one that
you have seen (--seen; without it, the newest when the command runs). --force overwrites their changes. --dry-run shows what
would change.`,
		Example: `  hansom config rollback --undo 72 -m "50 ms was too short"
  hansom config rollback --to 71 base --dry-run`,
		Args:              factory.Args(cobra.MaximumNArgs(1)),
		ValidArgsFunction: f.Complete(&o.Connection, factory.Documents),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (o.To == 0) == (o.Undo == 0) {
				return factory.Usage(cmd, "want either --to or --undo, with a revision; `hansom config history` lists them")
			}
			if !o.DryRun {
				if err := checkMessage(cmd, o.Message); err != nil {
					return err
				}
			}
			if len(args) == 1 {
				o.ID = args[0]
			}
			return run(cmd.Context(), f, o)
		},
	}
	o.bind(cmd)
	bindMessage(cmd, &o.Message)
	fl := cmd.Flags()
	fl.Uint64Var(&o.To, "to", 0, "`revision` whose state is wanted again")
	fl.Uint64Var(&o.Undo, "undo", 0, "`revision` whose changes are to be taken back")
	fl.Uint64Var(&o.Seen, "seen", 0, "with --to: newest `revision` that you know of (default the newest)")
	fl.BoolVar(&o.Force, "force", false, "overwrite later changes of others")
	fl.BoolVar(&o.DryRun, "dry-run", false, "only show what would change")
	return cmd
}

func rollback(ctx context.Context, f *factory.Factory, o *RollbackOptions) error {
	return o.with(ctx, f, func(c *client) error {
		request, err := o.request(ctx, c)
		if err != nil {
			return err
		}
		response, err := c.Rollback(ctx, request)
		if err != nil {
			return err
		}
		if err := o.tell(f, c, response); err != nil {
			return err
		}
		if n := len(response.GetConflicts()); n > 0 {
			return fmt.Errorf("refused: %s changed since; leave out what they changed by naming a document, or overwrite it with --force", leaves(n))
		}
		return nil
	})
}

func (o *RollbackOptions) request(ctx context.Context, c *client) (*configpb.RollbackRequest, error) {
	r := &configpb.RollbackRequest{Id: o.ID, Seen: o.Seen, Force: o.Force, Message: o.Message, DryRun: o.DryRun}
	if strings.TrimSpace(r.Message) == "" {
		r.Message = "dry run"
	}
	if o.Undo != 0 {
		r.What = &configpb.RollbackRequest_Undo{Undo: o.Undo}
		return r, nil
	}
	r.What = &configpb.RollbackRequest_To{To: o.To}
	if r.Seen == 0 {
		var err error
		if r.Seen, err = newest(ctx, c); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// newest returns the revision of the whole history.
func newest(ctx context.Context, c *client) (uint64, error) {
	response, err := c.List(ctx, &configpb.ListRequest{Limit: 1})
	return response.GetRevision(), err
}

func leaves(n int) string {
	if n == 1 {
		return "1 leaf was"
	}
	return fmt.Sprintf("%d leaves were", n)
}

func (o *RollbackOptions) tell(f *factory.Factory, k *client, r *configpb.RollbackResponse) error {
	if o.Format == output.JSON {
		return output.Value(f.Out, outcome{r.GetRevision(), o.DryRun, changesOf(r.GetChanges()), conflictsOf(r.GetConflicts())})
	}
	if len(r.GetConflicts()) > 0 {
		t := output.NewTable(f.Err, "DOCUMENT", "PATH", "CHANGED IN", "BY", "MESSAGE")
		for _, c := range r.GetConflicts() {
			t.Row(c.GetId(), output.Line(c.GetPath()), c.GetRevision(), k.author(c.GetAuthor()), output.Line(c.GetMessage()))
		}
		return t.Flush()
	}
	if err := printChanges(f.Out, r.GetChanges()); err != nil {
		return err
	}
	text := fmt.Sprintf("revision %d", r.GetRevision())
	switch {
	case len(r.GetChanges()) == 0:
		text = "nothing to change: it is so already"
	case o.DryRun:
		text = "dry run: nothing is written"
	}
	_, err := fmt.Fprintln(f.Out, text)
	return err
}
