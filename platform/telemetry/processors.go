package telemetry

import (
	"context"
	"errors"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// processors hands every span to each of several processors.
type processors []sdktrace.SpanProcessor

// OnStart implements sdktrace.SpanProcessor.
func (p processors) OnStart(ctx context.Context, s sdktrace.ReadWriteSpan) {
	for _, one := range p {
		one.OnStart(ctx, s)
	}
}

// OnEnd implements sdktrace.SpanProcessor.
func (p processors) OnEnd(s sdktrace.ReadOnlySpan) {
	for _, one := range p {
		one.OnEnd(s)
	}
}

// Shutdown implements sdktrace.SpanProcessor.
func (p processors) Shutdown(ctx context.Context) error {
	var errs []error
	for _, one := range p {
		errs = append(errs, one.Shutdown(ctx))
	}
	return errors.Join(errs...)
}

// ForceFlush implements sdktrace.SpanProcessor.
func (p processors) ForceFlush(ctx context.Context) error {
	var errs []error
	for _, one := range p {
		errs = append(errs, one.ForceFlush(ctx))
	}
	return errors.Join(errs...)
}
