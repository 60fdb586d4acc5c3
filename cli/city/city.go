// Package city is `hansom city`: the cities of the business.
package city

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/config"
	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	citypb "github.com/hansom-platform/hansom/proto/taxi/city"
)

// Options of every verb.
type Options struct {
	Connection factory.Connection
	Format     output.Format
	City       string            // code
	To         string            // code of the new city, of clone
	Set        map[string]string // path to value, of clone and set
	Message    string
	DryRun     bool
}

// Run is what a verb does; tests replace it.
type Run func(ctx context.Context, f *factory.Factory, o *Options) error

// New makes the command.
func New(f *factory.Factory) *cobra.Command {
	return factory.Group(&cobra.Command{
		Use:   "city",
		Short: "List cities, change one, or make a new one of an existing one",
		Long: `List cities, change one, or make a new one of an existing one. Cities are configuration documents, city/<CODE>: what is
written here is in "hansom config history" too, and "hansom config rollback" takes it back. Running services follow at once.`,
	}, NewLs(f, list), NewShow(f, show), NewClone(f, clone), NewSet(f, set))
}

func (o *Options) bind(cmd *cobra.Command) {
	o.Connection.Bind(cmd)
	o.Format.Bind(cmd)
}

func (o *Options) bindWrite(cmd *cobra.Command) {
	o.bind(cmd)
	cmd.Flags().StringVarP(&o.Message, "message", "m", "", "`why`, for the history (required)")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "only show every difference")
}

func (o *Options) checkMessage(cmd *cobra.Command) error {
	if !o.DryRun && strings.TrimSpace(o.Message) == "" {
		return factory.Usage(cmd, "-m is missing: say why, for the history")
	}
	return nil
}

// message is what a dry run says too.
func (o *Options) message() string {
	if o.DryRun && o.Message == "" {
		return "dry run"
	}
	return o.Message
}

// parseSet reads settings such as name=Dublin. A setting that is there twice is
// refused: one of them would be lost.
func parseSet(all []string) (map[string]string, error) {
	set := map[string]string{}
	for _, s := range all {
		path, value, ok := strings.Cut(s, "=")
		if !ok || path == "" {
			return nil, fmt.Errorf("setting %q: want <path>=<value>, such as name=Dublin", s)
		}
		if _, twice := set[path]; twice {
			return nil, fmt.Errorf("%s is set twice", path)
		}
		set[path] = value
	}
	return set, nil
}

// tell shows what differs, and what was written.
func (o *Options) tell(f *factory.Factory, differences []*citypb.Difference, revision uint64) error {
	t := output.NewList(f.Out)
	for _, d := range differences {
		t.Row("  "+output.Line(d.GetPath()), config.Difference(d.GetBefore(), d.GetAfter()))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	text := fmt.Sprintf("revision %d", revision)
	switch {
	case o.DryRun:
		text = "dry run: nothing is written"
	case len(differences) == 0:
		text = "nothing changed"
	}
	_, err := fmt.Fprintln(f.Out, text)
	return err
}
