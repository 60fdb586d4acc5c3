package telemetry

import (
	"context"
	"log/slog"
)

// NewLogHandler returns a handler that adds trace_id, span_id and, where the
// context belongs to a service, service and instance to every record, then hands
// it to h. They stand at the top of the record, also below WithGroup.
func NewLogHandler(h slog.Handler) slog.Handler {
	return &logHandler{root: h, current: h}
}

type logHandler struct {
	root    slog.Handler                      // before the first WithGroup
	current slog.Handler                      // with all that follows
	below   []func(slog.Handler) slog.Handler // the first WithGroup and what follows, to be put on root again
}

// Enabled implements slog.Handler.
func (h *logHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return h.current.Enabled(ctx, l)
}

// Handle implements slog.Handler.
func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	attrs := contextAttrs(ctx)
	if len(attrs) == 0 {
		return h.current.Handle(ctx, r)
	}
	if len(h.below) == 0 {
		r = r.Clone()
		r.AddAttrs(attrs...)
		return h.current.Handle(ctx, r)
	}
	to := h.root.WithAttrs(attrs)
	for _, step := range h.below {
		to = step(to)
	}
	return to.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.with(len(h.below) > 0, func(to slog.Handler) slog.Handler { return to.WithAttrs(attrs) })
}

// WithGroup implements slog.Handler.
func (h *logHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return h.with(true, func(to slog.Handler) slog.Handler { return to.WithGroup(name) })
}

func (h *logHandler) with(grouped bool, step func(slog.Handler) slog.Handler) *logHandler {
	c := &logHandler{root: h.root, current: step(h.current)}
	if !grouped {
		c.root = c.current
		return c
	}
	c.below = append(h.below[:len(h.below):len(h.below)], step)
	return c
}

func contextAttrs(ctx context.Context) []slog.Attr {
	if ctx == nil {
		return nil
	}
	n := nodeOf(ctx)
	if n == nil {
		return nil
	}
	attrs := make([]slog.Attr, 0, 4)
	if n.valid() {
		attrs = append(attrs, slog.String("trace_id", n.trace.String()), slog.String("span_id", n.span.String()))
	}
	if n.identity != nil && n.identity.Service != "" {
		attrs = append(attrs, slog.String("service", n.identity.Service))
	}
	if n.identity != nil && n.identity.Instance != "" {
		attrs = append(attrs, slog.String("instance", n.identity.Instance))
	}
	return attrs
}
