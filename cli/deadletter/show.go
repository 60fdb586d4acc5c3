package deadletter

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	"github.com/hansom-platform/hansom/fault"
)

// NewShow makes `hansom deadletter show`.
func NewShow(f *factory.Factory, run Run) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:               "show <group> <id>",
		Short:             "Show one event that a group gave up, with its body",
		Long:              `Show one dead letter: why it was given up, its headers, and its body, as text where it is text, else in base64.`,
		Example:           `  hansom deadletter show core.billing 17`,
		Args:              factory.Args(cobra.ExactArgs(2)),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Group, o.IDs = args[0], args[1:]
			return run(cmd.Context(), f, o)
		},
	}
	o.bind(cmd)
	return cmd
}

func show(ctx context.Context, f *factory.Factory, o *Options) error {
	return f.With(ctx, o.Connection, func(s *factory.Session) error {
		letters, err := s.Bus.DeadLetters(ctx, o.Group, most)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(letters, func(l bus.DeadLetter) bool { return l.ID == o.IDs[0] })
		if i < 0 {
			return fault.New(fault.NotFound, driver.ReasonNoLetter, "group %s has no dead letter %q", o.Group, o.IDs[0])
		}
		r := recordOf(letters[i], true)
		if o.Format == output.JSON {
			return output.Value(f.Out, r)
		}
		return write(f, r)
	})
}

func write(f *factory.Factory, r record) error {
	t := output.NewList(f.Out)
	t.Row("id", r.ID)
	t.Row("group", r.Group)
	t.Row("topic", r.Topic)
	t.Row("attempts", r.Attempts)
	t.Row("at", output.Moment(r.At))
	t.Row("reason", output.Line(r.Reason))
	names := make([]string, 0, len(r.Header))
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		t.Row(name, output.Line(r.Header[name]))
	}
	t.Row("bytes", r.Bytes)
	if err := t.Flush(); err != nil {
		return err
	}
	var err error
	switch {
	case r.JSON != nil:
		_, err = fmt.Fprintf(f.Out, "\n%s\n", r.JSON)
	case r.Text != "":
		_, err = fmt.Fprintf(f.Out, "\n%s\n", r.Text)
	case r.Data != nil:
		_, err = fmt.Fprintf(f.Out, "\nbase64: %s\n", base64.StdEncoding.EncodeToString(r.Data))
	}
	return err
}
