package platformtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hansom-platform/hansom/platform/platformtest"
	"github.com/hansom-platform/hansom/platform/telemetry"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
	etapb "github.com/hansom-platform/hansom/proto/taxi/eta"
	routingpb "github.com/hansom-platform/hansom/proto/taxi/routing"
)

// exported is a span as the console exporter writes it.
type exported struct {
	Name        string
	SpanContext struct{ TraceID, SpanID string }
	Parent      struct{ SpanID string }
	Resource    []struct {
		Key   string
		Value struct{ Value any }
	}
}

func (s exported) service() string {
	for _, a := range s.Resource {
		if a.Key == "service.name" {
			return a.Value.Value.(string)
		}
	}
	return ""
}

// TestOneTraceThroughEveryService exports the spans of one call and puts them
// together again: every side of every hop, each under the name of its service.
func TestOneTraceThroughEveryService(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "console")
	var out bytes.Buffer
	shutdown, err := telemetry.Setup(t.Context(), telemetry.Config{Console: &out, Identity: telemetry.Identity{Service: "test"}})
	if err != nil {
		t.Fatal(err)
	}
	env := platformtest.New(t)
	platformtest.Fake(env, routingpb.RoutingMatrix, matrix(1))
	env.Start(newEta())
	ctx, root := telemetry.StartRoot(t.Context(), "root")
	_, err = etapb.NewEtaClient(env.Client()).Estimate(ctx, fromHere)
	root.End(err)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := discoverypb.NewDiscoveryClient(env.Client()).Instances(t.Context(), &discoverypb.InstancesRequest{}); err != nil {
		t.Fatal(err) // another trace, to be left out
	}
	if err := shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"test root", "test core.eta/estimate", "core.eta core.eta/estimate",
		"core.eta core.routing/matrix", "core.routing core.routing/matrix",
	}
	if diff := cmp.Diff(want, chainOf(t, &out, root.TraceID())); diff != "" {
		t.Errorf("the trace from its root down (-want +got):\n%s", diff)
	}
}

// chainOf reads exported spans and lists those of one trace, each below the one before.
func chainOf(t *testing.T, from io.Reader, trace string) []string {
	t.Helper()
	below := map[string]exported{}
	for in := json.NewDecoder(from); ; {
		var s exported
		if err := in.Decode(&s); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if s.SpanContext.TraceID == trace {
			below[s.Parent.SpanID] = s
		}
	}
	var chain []string
	for s, ok := below["0000000000000000"]; ok; s, ok = below[s.SpanContext.SpanID] {
		chain = append(chain, s.service()+" "+s.Name)
	}
	return chain
}
