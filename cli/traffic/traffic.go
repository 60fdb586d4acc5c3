// Package traffic is `hansom traffic`: how requests are shared between the
// versions of a service.
package traffic

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	bindingpb "github.com/hansom-platform/hansom/proto/kernel/binding"
)

// Options of every verb.
type Options struct {
	Connection factory.Connection
	Format     output.Format
	Service    string
	Shares     []*bindingpb.Share // of split
}

// Run is what a verb does; tests replace it.
type Run func(ctx context.Context, f *factory.Factory, o *Options) error

// New makes the command.
func New(f *factory.Factory) *cobra.Command {
	return factory.Group(&cobra.Command{
		Use:   "traffic",
		Short: "Split a service's traffic between its versions, and see the shares",
	}, NewSplit(f, split), NewLs(f, list), NewClear(f, remove))
}

// set replaces the split of a service and tells what came of it.
func set(ctx context.Context, f *factory.Factory, o *Options) (*bindingpb.SetSplitResponse, error) {
	session, err := f.Open(ctx, o.Connection)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	response, err := bindingpb.NewBindingClient(session).SetSplit(ctx, &bindingpb.SetSplitRequest{
		Service: o.Service, Shares: o.Shares, Author: author(f),
	})
	if err != nil {
		return nil, err
	}
	warn(f, response.GetWarnings())
	return response, nil
}

func author(f *factory.Factory) string {
	for _, name := range []string{"HANSOM_USER", "USER", "LOGNAME"} {
		if v := f.Env(name); v != "" {
			return v
		}
	}
	return "operator"
}

func warn(f *factory.Factory, warnings []string) {
	for _, w := range warnings {
		_, _ = fmt.Fprintln(f.Err, "warning:", w)
	}
}
