package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hansom-platform/hansom/platform"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

// compiles is how often each kind of compile is asked for.
const compiles = 2000

// measureCompile has a service ask for its configuration of six layers over the bus: made anew,
// as it was kept, and as the service has it already. An echo of one customer's call says
// how much of that is the call.
func measureCompile(ctx context.Context, _ options) (any, error) {
	h, err := openHouse(ctx)
	if err != nil {
		return nil, err
	}
	defer h.close()
	caller, err := h.openEcho(ctx)
	if err != nil {
		return nil, err
	}
	if err := h.writeLayers(ctx, caller.Name()); err != nil {
		return nil, err
	}
	layers := &configpb.Layers{Service: caller.Name(), Region: zone.Region, Environment: environment}
	config := configpb.NewConfigClient(caller)
	now, err := config.Compile(ctx, &configpb.CompileRequest{Layers: layers})
	if err != nil {
		return nil, err
	}
	if !bytes.Contains(now.GetDocument(), []byte(`"layer5"`)) || !bytes.Contains(now.GetDocument(), []byte(`"layer0"`)) {
		return nil, fmt.Errorf("not all six layers are in what was compiled: %.200s", now.GetDocument())
	}
	asked := func(r *configpb.CompileRequest) func() error {
		r.Layers = layers
		return func() error { _, err := config.Compile(ctx, r); return err }
	}
	found := map[string]any{"document_bytes": len(now.GetDocument())}
	fmt.Printf("  six layers, compiled to %d bytes, over the bus\n", len(now.GetDocument()))
	for _, c := range []struct {
		name string
		do   func() error
	}{
		// What was compiled of a past revision is not kept.
		{"made anew", asked(&configpb.CompileRequest{AsOf: now.GetRevision() - 1})},
		{"kept", asked(&configpb.CompileRequest{})},
		{"unchanged", asked(&configpb.CompileRequest{Hash: now.GetHash()})},
		{"an echo", func() error { return callEcho(platform.WithToken(ctx, h.user), caller, make([]byte, 256)) }},
	} {
		l, err := timed(compiles, c.do)
		if err != nil {
			return nil, err
		}
		found[strings.ReplaceAll(c.name, " ", "_")] = l
		fmt.Printf("  %-12s %v\n", c.name, l)
	}
	return found, nil
}

// timed does something so many times, one after the other.
func timed(n int, do func() error) (latency, error) {
	took := make([]time.Duration, n)
	for i := range took {
		start := time.Now()
		if err := do(); err != nil {
			return latency{}, err
		}
		took[i] = time.Since(start)
	}
	return latencyOf(took), nil
}

// writeLayers writes six layers of some 1.5 kB each, which agree on names and not on values, and a
// document after them, so that there is a past revision with all of them.
func (h *house) writeLayers(ctx context.Context, service string) error {
	operator, err := h.operator(ctx)
	if err != nil {
		return err
	}
	config := configpb.NewConfigClient(operator)
	region, env := "region/"+zone.Region, "env/"+environment
	ids := []string{"base", "base/" + service, region, region + "/" + service, env, env + "/" + service, "city/BCH"}
	for i, id := range ids {
		var text strings.Builder
		text.WriteString(`{"name":"bench"`)
		for n := range 20 {
			fmt.Fprintf(&text, `,"part%d":{"timeout":"%dms","limit":%d,"names":["a","b"],"deep":{"layer%d":true}}`, n, i, n, i)
		}
		text.WriteString("}")
		edit := &configpb.Edit{Id: id, Kind: configpb.Edit_KIND_REPLACE, Json: []byte(text.String())}
		if _, err := config.Update(ctx, &configpb.UpdateRequest{Message: "bench", Edits: []*configpb.Edit{proto.CloneOf(edit)}}); err != nil {
			return err
		}
	}
	return nil
}
