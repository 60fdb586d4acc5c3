package config

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

// DiffOptions of `hansom config diff`.
type DiffOptions struct {
	common

	From, To uint64 // revisions; 0: now
	Prefix   string
	Against  []byte // export of another environment; nil: none
}

// NewDiff makes `hansom config diff`.
func NewDiff(f *factory.Factory, run func(context.Context, *factory.Factory, *DiffOptions) error) *cobra.Command {
	o := &DiffOptions{}
	var against string
	var replace bool
	cmd := &cobra.Command{
		Use:   "diff (--from <revision> | --to <revision> | --against <export> | <id> (<json> | @<file> | -))",
		Short: "Compare revisions, environments, or a document with what it might become",
		Long: `Compare what documents hold at two revisions; or here with what another environment exported ("hansom config export"); or,
with an id and JSON, what is stored with what "hansom config set" would make of it. Nothing is written. A revision that is
not given means now.`,
		Example: `  hansom config diff --from 71
  hansom config diff --against production.json --prefix base
  hansom config diff base '{"hansom":{"gateway":{"timeout":"50ms"}}}'`,
		Args:              factory.Args(cobra.MaximumNArgs(2)),
		ValidArgsFunction: f.Complete(&o.Connection, factory.Documents),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			states := cmd.Flags().Changed("from") || cmd.Flags().Changed("to")
			if count(states, against != "", len(args) > 0) != 1 || len(args) == 1 {
				return factory.Usage(cmd, "want one of: revisions (--from, --to), --against, or an id and JSON")
			}
			if len(args) == 2 {
				return o.dryRun(cmd.Context(), f, args, replace)
			}
			if against != "" {
				if o.Against, err = os.ReadFile(against); err != nil {
					return fmt.Errorf("read the export: %w", err)
				}
			}
			return run(cmd.Context(), f, o)
		},
	}
	o.bind(cmd)
	fl := cmd.Flags()
	fl.Uint64Var(&o.From, "from", 0, "`revision` to compare from (default now)")
	fl.Uint64Var(&o.To, "to", 0, "`revision` to compare to (default now)")
	fl.StringVar(&against, "against", "", "`file` that another environment exported")
	fl.StringVar(&o.Prefix, "prefix", "", "only documents whose ids begin with this `text`")
	fl.BoolVar(&replace, "replace", false, "with an id and JSON: as \"set --replace\" would")
	_ = cmd.MarkFlagFilename("against", "json")
	return cmd
}

func count(all ...bool) int {
	n := 0
	for _, b := range all {
		if b {
			n++
		}
	}
	return n
}

// dryRun compares by asking for the change without making it.
func (o *DiffOptions) dryRun(ctx context.Context, f *factory.Factory, args []string, replace bool) error {
	data, err := readJSON(f, args[1])
	if err != nil {
		return err
	}
	s := &SetOptions{common: o.common, ID: args[0], JSON: data, DryRun: true, Kind: configpb.Edit_KIND_MERGE}
	if replace {
		s.Kind = configpb.Edit_KIND_REPLACE
	}
	return o.with(ctx, f, func(c *client) error {
		response, err := s.write(ctx, c)
		if err != nil {
			return err
		}
		return o.tell(f, response.GetChanges())
	})
}

func diff(ctx context.Context, f *factory.Factory, o *DiffOptions) error {
	request := &configpb.DiffRequest{FromRevision: o.From, ToRevision: o.To, Prefix: o.Prefix, ToExport: o.Against}
	return o.with(ctx, f, func(c *client) error {
		response, err := c.Diff(ctx, request)
		if err != nil {
			return err
		}
		return o.tell(f, response.GetChanges())
	})
}

func (o *DiffOptions) tell(f *factory.Factory, changes []*configpb.Change) error {
	if o.Format == output.JSON {
		return output.Value(f.Out, changesOf(changes))
	}
	if len(changes) == 0 {
		_, err := fmt.Fprintln(f.Err, "no difference")
		return err
	}
	return printChanges(f.Out, changes)
}
