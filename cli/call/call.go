// Package call is `hansom call`: one request to any endpoint.
package call

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/app"
	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/telemetry"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
)

// Options of the verb.
type Options struct {
	Connection factory.Connection
	Service    string
	Endpoint   string
	Request    string // JSON, "-" for standard input, or "@file"
	Instance   string
	Overlay    string
	Cohort     int
	Timeout    time.Duration
	Verbose    bool
	Format     output.Format // an answer is always JSON
}

// New makes the command. run replaces what it does, in tests; nil means the real thing.
func New(f *factory.Factory, run func(context.Context, *Options) error) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "call <service> <endpoint> [<json> | @<file> | -]",
		Short: "Call an endpoint of a service and print its answer",
		Long: `Call an endpoint of a service over the bus, as who "hansom whoami" shows, and print its answer as JSON. --session acts as
somebody else.

The request is JSON: an argument, @file, or - (also @-) for standard input; without one it is {}. An error of the platform
is printed with its code, such as NO_ROUTE, and its reason; the exit status is then 1.`,
		Example: `  hansom call core.city read '{"code":"LON"}'
  hansom call core.eta health --instance core.eta-0190a0b0-... -v
  hansom call core.state near @near.json --session "$(hansom session authas demo -a customer --reason test -o json | jq -r .session_id)"`,
		Args:              factory.Args(cobra.RangeArgs(2, 3)),
		ValidArgsFunction: f.CompleteServices(&o.Connection, true),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Service, o.Endpoint, o.Request = args[0], args[1], "{}"
			if len(args) == 3 {
				o.Request = args[2]
			}
			if cmd.Flags().Changed("cohort") && (o.Cohort < 0 || o.Cohort >= bus.Cohorts) {
				return factory.Usage(cmd, "--cohort %d: want 0 to %d", o.Cohort, bus.Cohorts-1)
			}
			if err := app.CheckWord("--overlay", o.Overlay); err != nil {
				return factory.Usage(cmd, "%w", err)
			}
			if o.Timeout <= 0 {
				return factory.Usage(cmd, "--timeout %s: want more than 0", o.Timeout)
			}
			if run != nil {
				return run(cmd.Context(), o)
			}
			return call(cmd.Context(), f, o)
		},
	}
	o.Connection.Bind(cmd)
	o.Format.Bind(cmd)
	fl := cmd.Flags()
	fl.StringVar(&o.Instance, "instance", "", "call this `instance`, whatever the bindings")
	fl.StringVar(&o.Overlay, "overlay", "", "prefer instances with this `label`, in the whole call tree")
	fl.IntVar(&o.Cohort, "cohort", bus.NoCohort, "`number` from 0 to 9999 that keeps one user on one version")
	fl.DurationVar(&o.Timeout, "timeout", 10*time.Second, "time budget of the call")
	fl.BoolVarP(&o.Verbose, "verbose", "v", false, "tell on standard error who answered, and the request's id")
	fl.Lookup("cohort").DefValue = "none"
	return cmd
}

func call(ctx context.Context, f *factory.Factory, o *Options) error {
	body, err := readRequest(f, o.Request)
	if err != nil {
		return err
	}
	session, err := f.Open(ctx, o.Connection)
	if err != nil {
		return err
	}
	defer session.Close()
	target, err := describe(ctx, session, o)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	ctx, span := telemetry.StartRoot(ctx, "hansom call")
	var by platform.ServedBy
	start := f.Now()
	answer, err := session.CallRaw(scope(ctx, o, &by), target, body)
	took := f.Now().Sub(start)
	span.End(err)
	if o.Verbose {
		tell(f, by, telemetry.TraceID(ctx), took)
	}
	if err != nil {
		return err
	}
	return output.Raw(f.Out, answer)
}

// scope puts what the flags say into the context.
func scope(ctx context.Context, o *Options, by *platform.ServedBy) context.Context {
	ctx = platform.CaptureServedBy(ctx, by)
	if o.Instance != "" {
		ctx = platform.To(ctx, o.Instance)
	}
	if o.Overlay != "" {
		ctx = platform.WithOverlay(ctx, o.Overlay)
	}
	return platform.WithCohort(ctx, o.Cohort)
}

func tell(f *factory.Factory, by platform.ServedBy, request string, took time.Duration) {
	if by.Instance != "" {
		_, _ = fmt.Fprintf(f.Err, "served by   %s, version %s, zone %s, in %s\n",
			by.Instance, by.Version, by.Zone, took.Round(100*time.Microsecond))
	}
	_, _ = fmt.Fprintf(f.Err, "request id  %s\n", request)
}

func readRequest(f *factory.Factory, request string) ([]byte, error) {
	body, source := []byte(request), "the request"
	var err error
	switch {
	case request == "-", request == "@-":
		source = "standard input"
		body, err = io.ReadAll(io.LimitReader(f.In, bus.MaxBody+1))
	case strings.HasPrefix(request, "@"):
		source = request[1:]
		body, err = os.ReadFile(source)
	}
	if err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return []byte("{}"), nil
	}
	var object map[string]json.RawMessage
	switch err := json.Unmarshal(body, &object); {
	case err != nil && json.Valid(body):
		return nil, fmt.Errorf(`%s is no JSON object: want one such as {"code":"LON"}`, source)
	case err != nil:
		return nil, fmt.Errorf("%s is no JSON object: %w", source, err)
	}
	return body, nil
}

// describe asks discovery what the endpoint declares, so that the call is retried and
// timed as services' calls are. What cannot be found out is left open:
// the call itself will tell what is wrong. Endpoints that speak HTTP are refused.
func describe(ctx context.Context, session *factory.Session, o *Options) (platform.Target, error) {
	t := platform.Target{Service: o.Service, Endpoint: o.Endpoint, ContentType: bus.ContentJSON}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	response, err := discoverypb.NewDiscoveryClient(session).Instances(ctx, &discoverypb.InstancesRequest{Service: o.Service})
	if err != nil {
		return t, nil
	}
	for _, r := range response.GetRegistrations() {
		for _, e := range r.GetInstance().GetEndpoints() {
			if e.GetEndpoint() != o.Endpoint {
				continue
			}
			if e.GetHttp() {
				path := strings.ReplaceAll(strings.TrimPrefix(o.Service, "api."), ".", "/") + "/" + o.Endpoint
				return t, fmt.Errorf("%s %s speaks HTTP: ask the thin API for /%s", o.Service, o.Endpoint, path)
			}
			t.Idempotent, t.Upper95 = e.GetIdempotent(), time.Duration(e.GetUpper95Ms())*time.Millisecond
		}
	}
	return t, nil
}
