package telemetry

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/hansom-platform/hansom/fault"
)

// settings are what the OTEL_ variables say
// (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
// What is not here, the exporters and the batch processor read themselves.
type settings struct {
	exporters []string // "otlp", "console"; none: export nothing
	protocol  string   // "grpc", "http/protobuf"
	sampler   sdktrace.Sampler
}

func badVariable(name, value, remedy string) error {
	return fault.New(fault.BadRequest, "telemetry.bad_variable", "the variable %s=%q cannot be used: %s", name, value, remedy)
}

func readSettings(getenv func(string) string) (s settings, err error) {
	if strings.EqualFold(strings.TrimSpace(getenv("OTEL_SDK_DISABLED")), "true") {
		return settings{}, nil
	}
	if s.exporters, err = readExporters(getenv); err != nil || len(s.exporters) == 0 {
		return settings{}, err
	}
	if s.protocol, err = readProtocol(getenv); err != nil {
		return settings{}, err
	}
	if s.sampler, err = readSampler(getenv); err != nil {
		return settings{}, err
	}
	if err := checkValues(getenv); err != nil {
		return settings{}, err
	}
	return s, nil
}

func readExporters(getenv func(string) string) ([]string, error) {
	value := strings.TrimSpace(getenv("OTEL_TRACES_EXPORTER"))
	if value == "" {
		if getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
			return nil, nil
		}
		return []string{"otlp"}, nil
	}
	var all []string
	for name := range strings.SplitSeq(value, ",") {
		switch name = strings.TrimSpace(name); name {
		case "otlp", "console":
			all = append(all, name)
		case "none":
		default:
			return nil, badVariable("OTEL_TRACES_EXPORTER", value, "want otlp, console or none")
		}
	}
	return all, nil
}

func readProtocol(getenv func(string) string) (string, error) {
	name := "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
	if getenv(name) == "" {
		name = "OTEL_EXPORTER_OTLP_PROTOCOL"
	}
	switch value := strings.TrimSpace(getenv(name)); value {
	case "", "http/protobuf":
		return "http/protobuf", nil
	case "grpc":
		return value, nil
	default:
		return "", badVariable(name, value, "want http/protobuf or grpc")
	}
}

func readSampler(getenv func(string) string) (sdktrace.Sampler, error) {
	name := strings.TrimSpace(getenv("OTEL_TRACES_SAMPLER"))
	ratio, err := readRatio(name, getenv("OTEL_TRACES_SAMPLER_ARG"))
	if err != nil {
		return nil, err
	}
	switch name {
	case "always_on":
		return sdktrace.AlwaysSample(), nil
	case "always_off":
		return sdktrace.NeverSample(), nil
	case "traceidratio":
		return sdktrace.TraceIDRatioBased(ratio), nil
	case "", "parentbased_always_on":
		return sdktrace.ParentBased(sdktrace.AlwaysSample()), nil
	case "parentbased_always_off":
		return sdktrace.ParentBased(sdktrace.NeverSample()), nil
	case "parentbased_traceidratio":
		return sdktrace.ParentBased(sdktrace.TraceIDRatioBased(ratio)), nil
	}
	return nil, badVariable("OTEL_TRACES_SAMPLER", name,
		"want always_on, always_off, traceidratio or one of these with parentbased_ before it")
}

func readRatio(sampler, value string) (float64, error) {
	if !strings.HasSuffix(sampler, "traceidratio") || value == "" {
		return 1, nil
	}
	ratio, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil || !(ratio >= 0 && ratio <= 1) {
		return 0, badVariable("OTEL_TRACES_SAMPLER_ARG", value, "want a number from 0 to 1")
	}
	return ratio, nil
}

// checkValues finds what the libraries would only log and then ignore.
func checkValues(getenv func(string) string) error {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"} {
		value := getenv(name)
		u, err := url.Parse(value)
		if value != "" && (err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https")) {
			return badVariable(name, value, "want a URL such as http://localhost:4318")
		}
	}
	for _, name := range []string{
		"OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_EXPORT_TIMEOUT", "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
		"OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
	} {
		value := strings.TrimSpace(getenv(name))
		if n, err := strconv.Atoi(value); value != "" && (err != nil || n < 0) {
			return badVariable(name, value, "want a whole number, times in milliseconds")
		}
	}
	return nil
}

func (s settings) newProcessors(ctx context.Context, console io.Writer) ([]sdktrace.SpanProcessor, error) {
	var all []sdktrace.SpanProcessor
	for _, name := range s.exporters {
		e, err := s.open(ctx, name, console)
		if err != nil {
			return nil, fmt.Errorf("start the %s exporter of traces: %w", name, err)
		}
		all = append(all, sdktrace.NewBatchSpanProcessor(e))
	}
	return all, nil
}

func (s settings) open(ctx context.Context, name string, console io.Writer) (sdktrace.SpanExporter, error) {
	switch {
	case name == "console":
		return stdouttrace.New(stdouttrace.WithWriter(console))
	case s.protocol == "grpc":
		return otlptracegrpc.New(ctx)
	}
	return otlptracehttp.New(ctx)
}
