// Package version is `hansom version`.
package version

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/app"
	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
)

// Options of the verb.
type Options struct {
	Format output.Format
}

// New makes the command. run replaces what it does, in tests; nil means the real thing.
func New(f *factory.Factory, run func(*Options) error) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Long:  "Print the version of this program: the time of the commit it was built from, as services show it.",
		Args:  factory.Args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			if run != nil {
				return run(o)
			}
			return show(f, o)
		},
	}
	o.Format.Bind(cmd)
	return cmd
}

func show(f *factory.Factory, o *Options) error {
	if o.Format == output.JSON {
		return output.Value(f.Out, map[string]string{
			"version": app.Version(), "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH,
		})
	}
	_, err := fmt.Fprintf(f.Out, "hansom %s (%s, %s/%s)\n", app.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
