// Package session is `hansom session`: the open sessions of users.
package session

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
)

// Options of every verb.
type Options struct {
	Connection  factory.Connection
	Format      output.Format
	Application string
	User        string   // id or identifier
	Sessions    []string // public ids, of end
	Reason      string   // of end and authas
}

// Run is what a verb does; tests replace it.
type Run func(ctx context.Context, f *factory.Factory, o *Options) error

// New makes the command.
func New(f *factory.Factory) *cobra.Command {
	return factory.Group(&cobra.Command{
		Use:   "session",
		Short: "List and end users' sessions, or act as a user",
	}, NewLs(f, list), NewEnd(f, end), NewAuthAs(f, authAs))
}

func (o *Options) bind(cmd *cobra.Command) {
	o.Connection.Bind(cmd)
	o.Format.Bind(cmd)
	factory.BindApplication(cmd, &o.Application)
}
