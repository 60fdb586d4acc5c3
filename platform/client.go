package platform

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform/telemetry"
	hansompb "github.com/hansom-platform/hansom/proto/hansom"
	"github.com/hansom-platform/hansom/proto/rpc"
)

// Client calls endpoints without being a service, for the CLI and tests. A
// Service embeds one. It is an rpc.Caller.
type Client struct {
	name     string
	instance string
	from     string // value of the header h2-from
	overlay  string // of calls whose context has none; empty for a Service

	passport *passport                                 // nil: it proves nothing
	token    func(ctx context.Context) (string, error) // the user's, where the context has none; may be nil

	bus     *atomic.Pointer[bus.Bus]
	log     *slog.Logger
	hops    *telemetry.Hops
	targets targets
	retries retryBudget
	call    Handler // the call itself, middleware around it
}

var _ rpc.Caller = (*Client)(nil)

// hopsPerEndpoint is how many calls of an endpoint an instance remembers for
// `hansom why`, per side.
const hopsPerEndpoint = 1024

// NewClient returns a client that calls over b as the named caller: Operator, or
// another name. Its calls carry a user's token with Token, or that of WithToken; it is
// believed to be a service only with Issuer.
func NewClient(from string, b *bus.Bus, opts ...ClientOption) *Client {
	mustBeWord("client name", from)
	cfg := newConfig()
	for _, o := range opts {
		o.applyClient(&cfg)
	}
	c := newClient(from, &cfg)
	c.overlay, c.token = cfg.overlay, cfg.token
	if cfg.issuer != nil {
		c.passport = newPassport(c.instance, cfg.issuer)
	}
	c.bus.Store(b)
	return c
}

func newClient(name string, cfg *config) *Client {
	c := &Client{
		name:     name,
		instance: newInstanceID(name),
		bus:      new(atomic.Pointer[bus.Bus]),
		log:      slog.New(telemetry.NewLogHandler(cfg.logger.Handler())),
		hops:     telemetry.NewHops(hopsPerEndpoint),
	}
	c.from = name + " " + c.instance
	c.retries.reset()
	c.targets.opened = c.circuitChanged
	if len(cfg.middleware) > 0 {
		c.call = chain(cfg.middleware, c.callNext)
	}
	return c
}

// Name returns the name under which the client calls, for a Service its own.
func (c *Client) Name() string { return c.name }

// Logger returns the logger, which adds the trace, service and instance of the
// context it is given.
func (c *Client) Logger() *slog.Logger { return c.log }

// Call sends request to an instance of e's service and fills in response. Its
// errors are faults; see the package comment for budget and retries.
func (c *Client) Call(ctx context.Context, e *rpc.Endpoint, request, response proto.Message) error {
	if c.call == nil {
		return c.callDirectly(ctx, e, request, response)
	}
	r := &Request{
		Endpoint: e, Message: request, Side: Calling,
		Caller: Caller{Service: c.name, Instance: c.instance}, response: response,
	}
	m, err := c.call(ctx, r)
	if err != nil {
		return fault.From(err)
	}
	if m != nil && m != response { // a middleware answered instead
		proto.Reset(response)
		proto.Merge(response, m)
	}
	return nil
}

func (c *Client) callNext(ctx context.Context, r *Request) (proto.Message, error) {
	if err := c.callDirectly(ctx, r.Endpoint, r.Message, r.response); err != nil {
		return nil, err
	}
	return r.response, nil
}

func (c *Client) callDirectly(ctx context.Context, e *rpc.Endpoint, request, response proto.Message) error {
	x := newExchange()
	defer x.release()
	body, err := proto.MarshalOptions{}.MarshalAppend(x.body[:0], request)
	if err != nil {
		return fault.Wrap(err, fault.BadRequest, "platform.encode", "the request to %s %s cannot be encoded", e.Service, e.Name)
	}
	x.body, x.response = body, response
	if _, ok := request.(*hansompb.HttpRequest); ok { // the names are from a path
		x.contentType = bus.ContentHTTP
		return c.exchange(ctx, c.targets.guess(e.Service, e.Name), limitsOf(e), x)
	}
	return c.exchange(ctx, c.targets.get(e.Service, e.Name), limitsOf(e), x)
}

// Target names what CallRaw calls, for callers that have no generated code.
type Target struct {
	Service     string
	Endpoint    string
	ContentType string        // of the body and of the answer: bus.ContentProtobuf (also "") or bus.ContentJSON
	Idempotent  bool          // as the endpoint declares it, see the built-in endpoint schema
	Upper95     time.Duration // 0: unknown
}

// CallRaw sends an encoded body and returns the encoded answer, by the same path as
// Call but for middleware.
func (c *Client) CallRaw(ctx context.Context, t Target, body []byte) ([]byte, error) {
	if t.Service == "" || t.Endpoint == "" {
		return nil, fault.New(fault.BadRequest, "platform.no_target", "a call needs the name of a service and of an endpoint")
	}
	x := newExchange()
	defer x.release()
	x.body, x.contentType = append(x.body[:0], body...), t.ContentType
	limits := limits{idempotent: t.Idempotent, upper95: t.Upper95}
	if err := c.exchange(ctx, c.targets.guess(t.Service, t.Endpoint), limits, x); err != nil {
		return nil, err
	}
	return x.answer, nil
}

func (c *Client) circuitChanged(t *target, open bool) {
	if open {
		c.log.Warn("circuit opened: nearly all calls fail, stopping them for a while", "target", t.name, "pause", circuitPause)
		return
	}
	c.log.Info("circuit closed: calls succeed again", "target", t.name)
}
