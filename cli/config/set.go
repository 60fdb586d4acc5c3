package config

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	"github.com/hansom-platform/hansom/fault"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

// SetOptions of the verbs that write documents.
type SetOptions struct {
	common

	ID          string
	Kind        configpb.Edit_Kind
	JSON        []byte
	Message     string
	Expect      uint64
	CheckExpect bool
	DryRun      bool
}

// NewSet makes `hansom config set`.
func NewSet(f *factory.Factory, run func(context.Context, *factory.Factory, *SetOptions) error) *cobra.Command {
	o := &SetOptions{}
	var replace, merge bool
	cmd := &cobra.Command{
		Use:   "set <id> (<json> | @<file> | -) -m <why>",
		Short: "Change settings of a document, or all of it",
		Long: `Change settings of a document: the JSON is merged into it (RFC 7396: objects merge, null removes, all else replaces), and
settings that it does not name stay. With --replace it becomes the whole document. The JSON is an argument, @file, or - for
standard input. A document that is not there is made.

What changed is printed, leaf by leaf, with the new revision. --expect refuses the change when somebody else was faster.
A secret is set as {"$secret": {"value": "...", "for": ["core.eta"]}} and never shown again to anybody but the services named.`,
		Example: `  hansom config set base '{"hansom":{"gateway":{"timeout":"50ms"}}}' -m "answer sooner"
  hansom config set base '{"hansom":{"gateway":{"timeout":null}}}' -m "back to the default" --dry-run
  hansom config set env/production/core.eta @eta.json --replace --expect 71 -m "as reviewed"`,
		Args:              factory.Args(cobra.ExactArgs(2)),
		ValidArgsFunction: f.Complete(&o.Connection, factory.Documents),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if replace && merge {
				return factory.Usage(cmd, "--replace and --merge exclude each other")
			}
			o.ID, o.Kind = args[0], configpb.Edit_KIND_MERGE
			if replace {
				o.Kind = configpb.Edit_KIND_REPLACE
			}
			if err := o.check(cmd); err != nil {
				return err
			}
			if o.JSON, err = readJSON(f, args[1]); err != nil {
				return err
			}
			return run(cmd.Context(), f, o)
		},
	}
	o.bind(cmd)
	o.bindWrite(cmd)
	cmd.Flags().BoolVar(&replace, "replace", false, "replace the whole document")
	cmd.Flags().BoolVar(&merge, "merge", false, "merge into the document (the default)")
	return cmd
}

func (o *SetOptions) bindWrite(cmd *cobra.Command) {
	bindMessage(cmd, &o.Message)
	cmd.Flags().Uint64Var(&o.Expect, "expect", 0, "`revision` that the document must still have; 0: it must not be there")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "only show what would change, and whether it is valid")
	cmd.Flags().Lookup("expect").DefValue = "any"
}

// check needs a message of what is not only a dry run.
func (o *SetOptions) check(cmd *cobra.Command) error {
	o.CheckExpect = cmd.Flags().Changed("expect")
	if o.DryRun {
		return nil
	}
	return checkMessage(cmd, o.Message)
}

func set(ctx context.Context, f *factory.Factory, o *SetOptions) error {
	return o.with(ctx, f, func(c *client) error {
		response, err := o.write(ctx, c)
		if err != nil {
			return explained(o.ID, err)
		}
		return o.tell(f, response)
	})
}

func (o *SetOptions) write(ctx context.Context, c *client) (*configpb.UpdateResponse, error) {
	message := o.Message
	if strings.TrimSpace(message) == "" {
		message = "dry run"
	}
	return c.Update(ctx, &configpb.UpdateRequest{Message: message, DryRun: o.DryRun, Edits: []*configpb.Edit{{
		Id: o.ID, Kind: o.Kind, Json: o.JSON, ExpectedRevision: o.Expect, CheckRevision: o.CheckExpect,
	}}})
}

// explained adds the way on after a conflict.
func explained(id string, err error) error {
	if fault.Is(err, fault.Conflict) {
		return fmt.Errorf("%w; `hansom config history %s --changes` shows what others changed", err, id)
	}
	return err
}

func (o *SetOptions) tell(f *factory.Factory, r *configpb.UpdateResponse) error {
	if o.Format == output.JSON {
		return output.Value(f.Out, outcome{r.GetRevision(), o.DryRun, changesOf(r.GetChanges()), nil})
	}
	if err := printChanges(f.Out, r.GetChanges()); err != nil {
		return err
	}
	_, err := fmt.Fprintln(f.Out, summary(len(r.GetChanges()), r.GetRevision(), o.DryRun))
	return err
}

func summary(changes int, at uint64, dryRun bool) string {
	switch {
	case changes == 0:
		return fmt.Sprintf("nothing changed; the history is at revision %d", at)
	case dryRun:
		return fmt.Sprintf("dry run: nothing is written; the history is at revision %d", at)
	}
	return fmt.Sprintf("revision %d", at)
}
