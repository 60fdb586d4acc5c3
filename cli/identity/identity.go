// Package identity is `hansom identity`: the credentials with which services prove who
// they are, and the key that login signs tokens with.
package identity

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
)

// Options of every verb.
type Options struct {
	Connection factory.Connection
	Format     output.Format
	Service    string
	For        time.Duration
	Out        string // file; "": standard output
}

// Run is what a verb does; tests replace it.
type Run func(ctx context.Context, f *factory.Factory, o *Options) error

// New makes the command.
func New(f *factory.Factory) *cobra.Command {
	return factory.Group(&cobra.Command{
		Use:   "identity",
		Short: "Make services' credentials, and rotate the signing key",
	}, NewEnrol(f, enrol), NewRotateKey(f, rotateKey))
}
