package ls

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	bindingpb "github.com/hansom-platform/hansom/proto/kernel/binding"
)

// NewBindings makes `hansom ls bindings`.
func NewBindings(f *factory.Factory, run Run) *cobra.Command {
	o := &Options{}
	cmd := verb(f, o, run, "bindings", "List what is bound, as the bus itself has it, and how that differs from what should be")
	cmd.Flags().StringVar(&o.State, "state", "", "only bindings in this `state`: ok, missing or stray")
	states := []string{"ok", "missing", "stray"}
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(states, cobra.ShellCompDirectiveNoFileComp))
	check := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if o.State != "" && !slices.Contains(states, o.State) {
			return factory.Usage(cmd, "--state %s: want ok, missing or stray", o.State)
		}
		return check(cmd, args)
	}
	return cmd
}

func bindings(ctx context.Context, f *factory.Factory, o *Options) error {
	session, err := f.Open(ctx, o.Connection)
	if err != nil {
		return err
	}
	defer session.Close()
	response, err := bindingpb.NewBindingClient(session).Bindings(ctx, &bindingpb.BindingsRequest{Service: o.Service})
	if err != nil {
		return err
	}
	for _, z := range response.GetSilent() {
		_, _ = fmt.Fprintf(f.Err, "warning: what is bound in zone %s is not known: %s\n", z.GetZone(), z.GetWhy())
	}
	all := response.GetBindings()
	if o.Service != "" && len(all) == 0 {
		return fmt.Errorf("nothing is bound for %s; `hansom ls services` shows what runs", o.Service)
	}
	if o.State != "" {
		all = slices.DeleteFunc(all, func(b *bindingpb.Bound) bool { return b.GetState() != o.State })
	}
	if o.Format == output.JSON {
		return output.Messages(f.Out, all)
	}
	t := output.NewTable(f.Out, "SERVICE", "INSTANCE", "VERSION", "ZONE", "MATCH", "WEIGHT", "STATE")
	for _, b := range all {
		t.Row(b.GetService(), b.GetInstance(), b.GetVersion(), b.GetRegion()+"/"+b.GetZone(), match(b.GetMatch()), b.GetWeight(), b.GetState())
	}
	return t.Flush()
}

func match(headers map[string]string) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		all = append(all, fmt.Sprintf("%s=%s", name, headers[name]))
	}
	return strings.Join(all, " ")
}
