package config

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

// StatusOptions of `hansom config status`.
type StatusOptions struct {
	common

	Service string
	Verbose bool
}

// NewStatus makes `hansom config status`.
func NewStatus(f *factory.Factory, run func(context.Context, *factory.Factory, *StatusOptions) error) *cobra.Command {
	o := &StatusOptions{}
	cmd := &cobra.Command{
		Use:   "status [service]",
		Short: "Show how many instances run the newest revision, and which do not",
		Long: `Ask every running instance, or those of one service, which revision of its configuration it runs. Stale is who does not run
what the newest revision gives it. SOURCE is where its configuration came from: the bus, HTTP, or the last good one on disk.`,
		Example: `  hansom config status
  hansom config status core.eta -v`,
		Args:              factory.Args(cobra.MaximumNArgs(1)),
		ValidArgsFunction: f.CompleteServices(&o.Connection, false),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.Service = args[0]
			}
			return run(cmd.Context(), f, o)
		},
	}
	o.bind(cmd)
	cmd.Flags().BoolVarP(&o.Verbose, "verbose", "v", false, "list every instance")
	return cmd
}

func status(ctx context.Context, f *factory.Factory, o *StatusOptions) error {
	return o.with(ctx, f, func(c *client) error {
		response, err := c.Status(ctx, &configpb.StatusRequest{Service: o.Service})
		if err != nil {
			return err
		}
		if o.Service != "" && len(response.GetInstances()) == 0 {
			return fmt.Errorf("no instance of %s is running; `hansom ls services` shows what is", o.Service)
		}
		return o.tell(f, response)
	})
}

func (o *StatusOptions) tell(f *factory.Factory, r *configpb.StatusResponse) error {
	if o.Format == output.JSON {
		return output.Value(f.Out, statusOf(r))
	}
	if o.Verbose {
		t := output.NewTable(f.Out, "INSTANCE", "REVISION", "SOURCE", "STATE", "PROBLEM")
		for _, i := range r.GetInstances() {
			t.Row(i.GetInstance(), i.GetRevision(), i.GetSource(), state(i), output.Line(i.GetProblem()))
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(f.Out, statusLine(r))
	return err
}

func state(i *configpb.InstanceStatus) string {
	if i.GetStale() {
		return "stale"
	}
	return "ok"
}

// mostStale is how many stale instances the summary names.
const mostStale = 10

// statusLine says "184 of 186 on revision 71; stale: ...".
func statusLine(r *configpb.StatusResponse) string {
	var stale []string
	for _, i := range r.GetInstances() {
		if !i.GetStale() {
			continue
		}
		name := i.GetInstance()
		if p := i.GetProblem(); p != "" {
			name += " (" + output.Line(p) + ")"
		}
		stale = append(stale, name)
	}
	all := len(r.GetInstances())
	line := fmt.Sprintf("%d of %d on revision %d", all-len(stale), all, r.GetRevision())
	if more := len(stale) - mostStale; more > 0 {
		stale = append(stale[:mostStale], fmt.Sprintf("and %d more; -v lists all", more))
	}
	if len(stale) > 0 {
		line += "; stale: " + strings.Join(stale, ", ")
	}
	return line
}

type (
	statusView struct {
		Revision  uint64           `json:"revision"`
		Total     int              `json:"total"`
		Stale     int              `json:"stale"`
		Instances []instanceStatus `json:"instances"`
	}
	instanceStatus struct {
		Instance string `json:"instance"`
		Service  string `json:"service"`
		Revision uint64 `json:"revision"`
		Source   string `json:"source"`
		Stale    bool   `json:"stale"`
		Problem  string `json:"problem"`
	}
)

func statusOf(r *configpb.StatusResponse) statusView {
	v := statusView{Revision: r.GetRevision(), Total: len(r.GetInstances()), Instances: []instanceStatus{}}
	for _, i := range r.GetInstances() {
		v.Instances = append(v.Instances, instanceStatus{i.GetInstance(), i.GetService(), i.GetRevision(), i.GetSource(), i.GetStale(), i.GetProblem()})
		if i.GetStale() {
			v.Stale++
		}
	}
	return v
}
