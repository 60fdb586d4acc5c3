// Package whoami is `hansom whoami`: who the commands act as, and why.
package whoami

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
)

// Options of the verb.
type Options struct {
	Connection factory.Connection
	Format     output.Format
}

// New makes the command. run replaces what it does, in tests; nil means the real thing.
func New(f *factory.Factory, run func(context.Context, *Options) error) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "whoami",
		Short: "Show who the commands act as, with which roles and until when",
		Long: `Show who the commands act as. The session is the first there is of: --session, $HANSOM_SESSION, the one that "hansom login"
opened for this platform, the one in the data folder's admin.json. When the last has ended, the commands log in again with
admin.json's password.`,
		Args:              factory.Args(cobra.NoArgs),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if run != nil {
				return run(cmd.Context(), o)
			}
			return whoami(cmd.Context(), f, o)
		},
	}
	o.Connection.Bind(cmd)
	o.Format.Bind(cmd)
	return cmd
}

// self is what is shown.
type self struct {
	User        string    `json:"user"` // id
	Identifier  string    `json:"identifier"`
	Application string    `json:"application"`
	Environment string    `json:"environment"`
	Roles       []string  `json:"roles"`
	Session     string    `json:"session"` // public id
	Device      string    `json:"device"`
	Actor       string    `json:"actor"`
	Expires     time.Time `json:"expires"` // of the token
	Source      string    `json:"source"`
}

func whoami(ctx context.Context, f *factory.Factory, o *Options) error {
	return f.With(ctx, o.Connection, func(s *factory.Session) error {
		proof, err := s.Proof(ctx)
		if err != nil {
			return err
		}
		if proof.Token == "" {
			return errors.New("nobody: no session is known for this platform; log in with `hansom login`")
		}
		c, err := factory.Claims(proof.Token)
		if err != nil {
			return err
		}
		return show(f, o.Format, &self{c.ID, proof.Identifier, c.Application, c.Environment, c.Roles, c.Session, c.Device, c.Actor, c.Expires.UTC(), proof.Source})
	})
}

func show(f *factory.Factory, format output.Format, s *self) error {
	if format == output.JSON {
		return output.Value(f.Out, s)
	}
	t := output.NewList(f.Out)
	t.Row("user", strings.TrimSpace(s.Identifier+" "+s.User))
	t.Row("application", s.Application)
	t.Row("environment", s.Environment)
	t.Row("roles", strings.Join(s.Roles, " "))
	t.Row("session", fmt.Sprintf("%s, device %s", s.Session, s.Device))
	if s.Actor != "" {
		t.Row("acting", s.Actor+" acts as this user")
	}
	t.Row("until", output.Moment(s.Expires))
	t.Row("from", s.Source)
	return t.Flush()
}
