// Package why is `hansom why`: the way that one request took.
package why

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	"github.com/hansom-platform/hansom/platform"
	hansompb "github.com/hansom-platform/hansom/proto/hansom"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
)

const (
	askTimeout = 2 * time.Second // for one instance
	askAtOnce  = 32
	patience   = 2 * time.Second // before progress is told
)

// Options of the verb.
type Options struct {
	Connection factory.Connection
	Format     output.Format
	Request    string
}

// New makes the command. run replaces what it does, in tests; nil means the real thing.
func New(f *factory.Factory, run func(context.Context, *Options) error) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "why <request id>",
		Short: "Show where a request went: every hop with service, version, instance, zone and time",
		Long: `Show where a request went. The request id is the X-Request-Id of an HTTP answer, or what "hansom call -v" prints.

Every running instance is asked what it remembers of the request; each keeps its last calls in memory, a thousand or so for
each endpoint. START is when the call was made, counted from the first; TOOK is how long its caller waited, HANDLED how long
the instance was at it: the difference is the bus, the queue and the network.`,
		Args: factory.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Request = strings.ToLower(strings.TrimSpace(args[0]))
			if !traceID.MatchString(o.Request) {
				return factory.Usage(cmd, "%q is no request id: want the 32 hexadecimal digits of an X-Request-Id header", args[0])
			}
			if run != nil {
				return run(cmd.Context(), o)
			}
			return why(cmd.Context(), f, o)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	o.Connection.Bind(cmd)
	o.Format.Bind(cmd)
	return cmd
}

var traceID = regexp.MustCompile(`^[0-9a-f]{32}$`)

func why(ctx context.Context, f *factory.Factory, o *Options) error {
	id := o.Request
	session, err := f.Open(ctx, o.Connection)
	if err != nil {
		return err
	}
	defer session.Close()
	hops, asked, err := collect(ctx, f, session, id)
	if err != nil {
		return err
	}
	calls := tree(hops)
	if len(calls) == 0 {
		return fmt.Errorf("no running instance remembers the request %s (%d asked): the id may be wrong, the request too long ago, "+
			"or the instances that handled it gone", id, asked)
	}
	if o.Format == output.JSON {
		return output.Value(f.Out, report(id, calls))
	}
	return show(f.Out, id, calls)
}

// collect asks every instance, and warns of those that did not answer.
func collect(ctx context.Context, f *factory.Factory, s *factory.Session, id string) (hops []*hansompb.Hop, asked int, err error) {
	response, err := discoverypb.NewDiscoveryClient(s).Instances(ctx, &discoverypb.InstancesRequest{})
	if err != nil {
		return nil, 0, err
	}
	instances := response.GetRegistrations()
	slow := time.AfterFunc(patience, func() { _, _ = fmt.Fprintf(f.Err, "asking %d instances...\n", len(instances)) })
	defer slow.Stop()
	found := make([][]*hansompb.Hop, len(instances))
	asks := make([]func(context.Context) error, len(instances))
	for n, r := range instances {
		asks[n] = func(ctx context.Context) (err error) {
			found[n], err = ask(ctx, s, r.GetInstance(), id)
			return err
		}
	}
	var silent []string
	for n, err := range platform.ParallelAll(ctx, askAtOnce, asks...) {
		if err != nil {
			silent = append(silent, instances[n].GetInstance().GetId())
		}
		hops = append(hops, found[n]...)
	}
	if len(silent) > 0 {
		_, _ = fmt.Fprintf(f.Err, "warning: %d of %d instances did not answer, what they know is missing: %s\n",
			len(silent), len(instances), strings.Join(silent, ", "))
	}
	return hops, len(instances), context.Cause(ctx)
}

func ask(ctx context.Context, s *factory.Session, i *discoverypb.Instance, id string) ([]*hansompb.Hop, error) {
	if i.GetId() == "" {
		return nil, errors.New("an instance without an id")
	}
	ctx, cancel := context.WithTimeout(platform.To(ctx, i.GetId()), askTimeout)
	defer cancel()
	response := new(hansompb.HopsResponse)
	err := s.Call(ctx, platform.Builtin(i.GetService(), platform.EndpointHops), &hansompb.HopsRequest{TraceId: id}, response)
	return response.GetHops(), err
}
