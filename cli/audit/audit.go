// Package audit is `hansom audit`: who logged in, and who changed what about users,
// sessions, grants and keys.
package audit

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

// Options of the verb.
type Options struct {
	Connection factory.Connection
	Format     output.Format
	Subject    string
	Before     time.Time // zero: now
	Limit      uint32
}

// New makes the command. run replaces what it does, in tests; nil means the real thing.
func New(f *factory.Factory, run func(context.Context, *Options) error) *cobra.Command {
	o := &Options{}
	var before string
	cmd := &cobra.Command{
		Use:   "audit [user or service]",
		Short: "List logins, and changes of users, sessions, grants and keys",
		Long: `List what kernel.login has recorded, newest first: logins that succeeded and that failed, acting as others, and every change of
users, sessions, grants and keys. Changes of configuration are in "hansom config history".`,
		Example: `  hansom audit --limit 20
  hansom audit core.billing --before 2026-11-23T12:00:00Z`,
		Args:              factory.Args(cobra.MaximumNArgs(1)),
		ValidArgsFunction: f.Complete(&o.Connection, factory.Services),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if before != "" {
				if o.Before, err = time.Parse(time.RFC3339, before); err != nil {
					return factory.Usage(cmd, "--before %s: want a time such as 2026-11-23T12:00:00Z", before)
				}
			}
			if len(args) == 1 {
				o.Subject = args[0]
			}
			if run != nil {
				return run(cmd.Context(), o)
			}
			return list(cmd.Context(), f, o)
		},
	}
	o.Connection.Bind(cmd)
	o.Format.Bind(cmd)
	cmd.Flags().StringVar(&before, "before", "", "only what was before this `time` (RFC 3339)")
	cmd.Flags().Uint32Var(&o.Limit, "limit", 50, "`how many` records at most")
	return cmd
}

func list(ctx context.Context, f *factory.Factory, o *Options) error {
	request := &loginpb.AuditRequest{Limit: o.Limit, Subject: o.Subject}
	if !o.Before.IsZero() {
		request.Before = timestamppb.New(o.Before)
	}
	return f.With(ctx, o.Connection, func(s *factory.Session) error {
		response, err := loginpb.NewLoginClient(s).Audit(ctx, request)
		if err != nil {
			return err
		}
		if o.Format == output.JSON {
			return output.Messages(f.Out, response.GetRecords())
		}
		t := output.NewTable(f.Out, "AT", "ACTION", "OUTCOME", "ACTOR", "SUBJECT", "FROM", "DETAIL")
		names := s.Names(ctx)
		for _, r := range response.GetRecords() {
			t.Row(output.Time(r.GetAt()), r.GetAction(), output.Line(r.GetOutcome()), output.Line(names(r.GetActor())),
				output.Line(names(r.GetSubject())), output.Line(r.GetSource()), detail(r.GetDetail()))
		}
		return t.Flush()
	})
}

func detail(all map[string]string) string {
	var texts []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		texts = append(texts, name+"="+all[name])
	}
	return output.Line(strings.Join(texts, " "))
}
