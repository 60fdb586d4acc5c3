package gateway

import (
	"context"
	"net/http"
	"regexp"
	"strings"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	hansompb "github.com/hansom-platform/hansom/proto/hansom"
)

// dispatch answers a visit or says why not.
func (g *Gateway) dispatch(v *visit) error {
	if err := checkHead(v.r); err != nil {
		return err
	}
	path := v.r.URL.EscapedPath() // as it was sent: a proxy in front that closes /rpc closes all of it
	if page := g.page(path); page != nil {
		return g.show(v, page)
	}
	if path == endpointRPC {
		return g.rpc(v)
	}
	return g.forward(v)
}

// admit counts a request, whose body has arrived, among those being handled, unless
// they are as many as may be. What it takes ends with leave.
func (g *Gateway) admit() (leave func(), err error) {
	if g.busy.Add(1) > int64(g.limits.Load().Concurrency) {
		g.busy.Add(-1)
		return nil, g.shed("handling")
	}
	g.load.Inflight(1)
	return func() {
		g.busy.Add(-1)
		g.load.Inflight(-1)
	}, nil
}

func (g *Gateway) shed(doing string) error {
	g.load.Shed()
	return fault.New(fault.Unavailable, reasonShed, "the gateway is %s %d requests, as many as it may; try again soon", doing, g.limits.Load().Concurrency)
}

// forward sends a request to the service that its path names, and the answer back.
func (g *Gateway) forward(v *visit) error {
	path := v.r.URL.EscapedPath()
	to, ok := parsePath(path)
	if !ok {
		return refuse(http.StatusNotFound, "gateway.no_path", "nothing is here; paths are of the form /v1/customer/neardrivers: a version, whose API it is, an endpoint")
	}
	idempotent, ok := methods[v.r.Method]
	if !ok {
		return v.wrongMethod(allMethods)
	}
	if err := g.admitted(v); err != nil {
		v.endpoint = g.label(to, err)
		return err
	}
	body, err := g.body(v)
	if err != nil {
		return err
	}
	leave, err := g.admit()
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel, err := g.carry(v)
	if err != nil {
		return err
	}
	defer cancel()
	response, err := g.svc.HTTP(ctx, to.service, to.endpoint, &hansompb.HttpRequest{
		Method: v.r.Method, Path: path, Query: withoutSession(v.r.URL.RawQuery), Host: v.r.Host, RemoteAddr: clientOf(v.r, g.limits.Load().proxies),
		Header: incoming(v.r.Header), Body: body, RequestId: v.id,
	}, g.repeatable(idempotent)...)
	v.endpoint = g.label(to, err)
	if err != nil {
		return forwardError(err, to)
	}
	return v.pass(response)
}

// admitted finds out whose request it is.
func (g *Gateway) admitted(v *visit) error {
	c, err := credentialOf(v.r)
	if err != nil {
		return err
	}
	return g.authenticate(v, c)
}

// repeatable says what the gateway knows of an endpoint, which is its method. Half
// of the budget is for the first attempt, so that there is time for a second one
// when an instance dies without a word.
func (g *Gateway) repeatable(idempotent bool) []platform.EndpointOption {
	if !idempotent {
		return nil
	}
	return []platform.EndpointOption{platform.Idempotent(), platform.SLA(0, g.limits.Load().Timeout/4)}
}

// label returns what to count a request as: its path's template, once a service has
// answered there. Paths that lead somewhere are bounded in number, those that
// clients ask for are not.
func (g *Gateway) label(to destination, err error) string {
	f := fault.From(err)
	if err == nil || f.Origin == fault.Peer && f.Reason != reasonNoEndpoint {
		g.templates.LoadOrStore(to.template, nil)
		return to.template
	}
	if _, known := g.templates.Load(to.template); known {
		return to.template
	}
	return endpointUnrouted
}

// forwardError keeps a service's list of endpoints from the world.
func forwardError(err error, to destination) error {
	if fault.ReasonOf(err) == reasonNoEndpoint {
		return refuse(http.StatusNotFound, "gateway.no_endpoint", "there is no endpoint %s in %s", to.endpoint, strings.TrimSuffix(to.template, "/"+to.endpoint))
	}
	return err
}

// pass answers with what a service said.
func (v *visit) pass(r *hansompb.HttpResponse) error {
	status := int(r.GetStatus())
	if status < http.StatusOK || status > 599 {
		return fault.New(fault.BadResponse, "gateway.bad_status", "the service answered with the status %d, which is none", status)
	}
	outgoing(v.w.Header(), r.GetHeader())
	v.protect()
	v.keepPrivate()
	v.challenge(status)
	v.answer(status, r.GetBody())
	return nil
}

// keepPrivate keeps caches from storing an answer under a URL that has a session in
// it (RFC 6750 §2.3). With the header Authorization they know by themselves.
func (v *visit) keepPrivate() {
	h := v.w.Header()
	if v.user != nil && v.r.Header.Get(headerAuthorization) == "" && h.Get("Cache-Control") != "no-store" {
		h.Set("Cache-Control", "private")
	}
}

// wrongMethod refuses a method; allow lists those that there are.
func (v *visit) wrongMethod(allow string) error {
	v.w.Header().Set("Allow", allow)
	return refuse(http.StatusMethodNotAllowed, "gateway.method", "the method %s is not allowed here; allowed are %s", v.r.Method, allow)
}

const headerOverlay = "X-Hansom-Overlay"

var overlayLabel = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// carry returns the context of a visit's calls: its budget, and the user's token,
// cohort and overlay, which go down the call tree.
func (g *Gateway) carry(v *visit) (context.Context, context.CancelFunc, error) {
	ctx := v.r.Context()
	if v.token != "" {
		ctx = platform.WithToken(ctx, v.token)
	}
	if v.cohort = cohortOf(g.config.Salt, v.r, v.user); v.cohort != noCohort {
		ctx = platform.WithCohort(ctx, v.cohort)
	}
	if label := v.r.Header.Get(headerOverlay); label != "" && v.user != nil && v.user.Has(RoleTester) {
		if !overlayLabel.MatchString(label) {
			return nil, nil, refuse(http.StatusBadRequest, "gateway.overlay", "the header %s is %q; want letters, digits and . _ -", headerOverlay, label)
		}
		v.overlay = label
		ctx = platform.WithOverlay(ctx, label)
	}
	ctx, cancel := context.WithTimeout(ctx, g.limits.Load().Timeout)
	return ctx, cancel, nil
}
