package telemetry

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Config is what Setup needs beside the environment's variables.
type Config struct {
	Identity Identity     // of the process: names spans that belong to no service, and the build
	Logger   *slog.Logger // hears of failed exports; default slog.Default()
	Console  io.Writer    // for OTEL_TRACES_EXPORTER=console; default os.Stdout
}

// exporting is where spans go, nil where they only have ids.
var exporting atomic.Pointer[exporter]

// exporter makes OpenTelemetry spans. All services of the process share the
// batch processors; each has a provider of its own, because the service's name is
// an attribute of the provider's resource.
type exporter struct {
	process    Identity
	base       *resource.Resource
	sampler    sdktrace.Sampler
	processors []sdktrace.SpanProcessor // one for each exporter
	tracers    sync.Map                 // Identity -> trace.Tracer
}

// Setup starts to export traces where the standard variables ask for it:
// OTEL_TRACES_EXPORTER (otlp, console, none, or several with commas) or, where
// that is not set, an OTEL_EXPORTER_OTLP_ENDPOINT; OTEL_EXPORTER_OTLP_PROTOCOL
// (http/protobuf or grpc) and the other OTEL_EXPORTER_OTLP_, OTEL_BSP_,
// OTEL_TRACES_SAMPLER and OTEL_RESOURCE_ATTRIBUTES variables; OTEL_SDK_DISABLED.
// OTEL_SERVICE_NAME names the process; spans of a service carry the service's own
// name. A variable that cannot be used is an error, which names it.
//
// shutdown sends what is still unsent and stops exporting. It is never nil and
// may be called more than once. A later Setup takes over from an earlier one.
func Setup(ctx context.Context, c Config) (shutdown func(context.Context) error, err error) {
	setBuild(c.Identity.Version)
	nothing := func(context.Context) error { return nil }
	s, err := readSettings(os.Getenv)
	if err != nil || len(s.exporters) == 0 {
		return nothing, err
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Console == nil {
		c.Console = os.Stdout
	}
	e, err := newExporter(ctx, c, s)
	if err != nil {
		return nothing, err
	}
	exporting.Store(e)
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		c.Logger.Warn("telemetry could not be exported", "error", err)
	}))
	otel.SetTracerProvider(e.provider(c.Identity))
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))
	return func(ctx context.Context) error {
		if exporting.CompareAndSwap(e, nil) {
			otel.SetTracerProvider(noop.NewTracerProvider())
		}
		return e.shutdown(ctx)
	}, nil
}

func newExporter(ctx context.Context, c Config, s settings) (*exporter, error) {
	base, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(), resource.WithFromEnv())
	if err != nil {
		return nil, badVariable("OTEL_RESOURCE_ATTRIBUTES", os.Getenv("OTEL_RESOURCE_ATTRIBUTES"), "want key=value pairs with commas between them: "+err.Error())
	}
	processors, err := s.newProcessors(ctx, c.Console)
	if err != nil {
		return nil, err
	}
	return &exporter{process: c.Identity, base: base, sampler: s.sampler, processors: processors}, nil
}

func (e *exporter) shutdown(ctx context.Context) error {
	var errs []error
	for _, p := range e.processors {
		errs = append(errs, p.Shutdown(ctx))
	}
	return errors.Join(errs...)
}

func (e *exporter) provider(id Identity) *sdktrace.TracerProvider {
	merged, err := resource.Merge(e.base, resource.NewSchemaless(id.attributes()...))
	if err != nil && !errors.Is(err, resource.ErrSchemaURLConflict) {
		merged = e.base
	}
	options := []sdktrace.TracerProviderOption{sdktrace.WithResource(merged), sdktrace.WithSampler(e.sampler)}
	for _, p := range e.processors {
		options = append(options, sdktrace.WithSpanProcessor(p))
	}
	return sdktrace.NewTracerProvider(options...)
}

func (e *exporter) tracer(id *Identity) trace.Tracer {
	if id == nil {
		id = &e.process
	}
	if t, ok := e.tracers.Load(*id); ok {
		return t.(trace.Tracer)
	}
	t, _ := e.tracers.LoadOrStore(*id, e.provider(*id).Tracer("github.com/hansom-platform/hansom/platform"))
	return t.(trace.Tracer)
}

// start fills in n with a new OpenTelemetry span.
func (e *exporter) start(n *node, name string, parent *ids, remote bool) {
	ctx := n.Context
	options := []trace.SpanStartOption{trace.WithSpanKind(n.kind), trace.WithAttributes(rpcAttributes(name)...)}
	switch {
	case !parent.valid():
		options = append(options, trace.WithNewRoot())
	case remote || trace.SpanContextFromContext(ctx).SpanID() != parent.span:
		ctx = trace.ContextWithSpanContext(ctx, parent.spanContext(remote))
	}
	n.Context, n.otel = e.tracer(n.identity).Start(ctx, name, options...)
	sc := n.otel.SpanContext()
	n.ids = ids{trace: sc.TraceID(), span: sc.SpanID(), flags: sc.TraceFlags() & knownFlags, state: sc.TraceState().String()}
	if parent.valid() {
		n.parent = parent.span
	}
}

func (i *ids) spanContext(remote bool) trace.SpanContext {
	state, err := trace.ParseTraceState(i.state)
	if err != nil {
		state = trace.TraceState{}
	}
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: i.trace, SpanID: i.span, TraceFlags: i.flags, TraceState: state, Remote: remote,
	})
}

func (id Identity) attributes() []attribute.KeyValue {
	fields := [...]struct {
		key   attribute.Key
		value string
	}{
		{semconv.ServiceNameKey, id.Service},
		{semconv.ServiceVersionKey, id.Version},
		{semconv.ServiceInstanceIDKey, id.Instance},
		{semconv.DeploymentEnvironmentNameKey, id.Environment},
		{semconv.CloudRegionKey, id.Region},
		{semconv.CloudAvailabilityZoneKey, id.Zone},
	}
	var all []attribute.KeyValue
	for _, f := range fields {
		if f.value != "" {
			all = append(all, f.key.String(f.value))
		}
	}
	return all
}
