package ls

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
)

// NewInstances makes `hansom ls instances`.
func NewInstances(f *factory.Factory, run Run) *cobra.Command {
	o := &Options{}
	cmd := verb(f, o, run, "instances", "List the instances that run")
	cmd.Flags().StringVar(&o.InZone, "in-zone", "", "only instances in this `zone`")
	cmd.Flags().StringVar(&o.Version, "version", "", "only instances of this `version`")
	return cmd
}

func instances(ctx context.Context, f *factory.Factory, o *Options) error {
	all, err := registrations(ctx, f, o)
	if err != nil {
		return err
	}
	if o.Version != "" {
		all = slices.DeleteFunc(all, func(r *discoverypb.Registration) bool { return r.GetInstance().GetVersion() != o.Version })
	}
	slices.SortStableFunc(all, func(a, b *discoverypb.Registration) int {
		return cmp.Compare(a.GetInstance().GetId(), b.GetInstance().GetId())
	})
	if o.Format == output.JSON {
		return output.Messages(f.Out, all)
	}
	t := output.NewTable(f.Out, "INSTANCE", "VERSION", "ZONE", "OVERLAY", "HOST", "PID", "AGE", "MISSED")
	for _, r := range all {
		i := r.GetInstance()
		t.Row(i.GetId(), i.GetVersion(), i.GetRegion()+"/"+i.GetZone(), i.GetOverlay(), i.GetHost(), i.GetPid(),
			age(f.Now().Sub(i.GetStarted().AsTime())), fmt.Sprint(r.GetMissed()))
	}
	return t.Flush()
}
