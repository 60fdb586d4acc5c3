package ls

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	hansompb "github.com/hansom-platform/hansom/proto/hansom"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
)

// NewEndpoints makes `hansom ls endpoints`.
func NewEndpoints(f *factory.Factory, run Run) *cobra.Command {
	return verb(f, &Options{}, run, "endpoints", "List the endpoints of the services that run, with what they declare")
}

// endpoint is a line of the list.
type endpoint struct {
	Service    string   `json:"service"`
	Endpoint   string   `json:"endpoint"`
	Request    string   `json:"request"`
	Response   string   `json:"response"`
	Roles      []string `json:"roles"`
	MeanMS     uint32   `json:"mean_ms"`
	Upper95MS  uint32   `json:"upper95_ms"`
	Idempotent bool     `json:"idempotent"`
	HTTP       bool     `json:"http"`
}

func endpoints(ctx context.Context, f *factory.Factory, o *Options) error {
	all, err := registrations(ctx, f, o)
	if err != nil {
		return err
	}
	list := declared(all)
	if o.Format == output.JSON {
		return output.Value(f.Out, list)
	}
	t := output.NewTable(f.Out, "SERVICE", "ENDPOINT", "REQUEST", "ROLES", "MEAN", "UPPER95", "IDEMPOTENT")
	for _, e := range list {
		request := e.Request
		if e.HTTP {
			request = "(HTTP)"
		}
		t.Row(e.Service, e.Endpoint, request, strings.Join(e.Roles, " "), milliseconds(e.MeanMS), milliseconds(e.Upper95MS), yesNo(e.Idempotent))
	}
	return t.Flush()
}

// declared lists every endpoint once, as the newest version declares it.
func declared(all []*discoverypb.Registration) []endpoint {
	newest := map[string]*discoverypb.Instance{}
	for _, r := range all {
		i := r.GetInstance()
		if n := newest[i.GetService()]; n == nil || n.GetVersion() < i.GetVersion() {
			newest[i.GetService()] = i
		}
	}
	list := []endpoint{}
	for service, i := range newest {
		for _, e := range i.GetEndpoints() {
			list = append(list, newEndpoint(service, e))
		}
	}
	slices.SortFunc(list, func(a, b endpoint) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Endpoint, b.Endpoint))
	})
	return list
}

func newEndpoint(service string, e *hansompb.EndpointSchema) endpoint {
	roles := e.GetRoles()
	if len(roles) == 0 {
		roles = []string{"ADMIN"} // what an endpoint needs that declares none
	}
	return endpoint{
		Service: service, Endpoint: e.GetEndpoint(), Request: e.GetRequest(), Response: e.GetResponse(), Roles: roles,
		MeanMS: e.GetMeanMs(), Upper95MS: e.GetUpper95Ms(), Idempotent: e.GetIdempotent(), HTTP: e.GetHttp(),
	}
}

func milliseconds(n uint32) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d ms", n)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
