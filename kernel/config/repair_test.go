package config_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hansom-platform/hansom/kernel/config"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/platformtest"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

// A change whose author died before it was published reaches siblings and services at the next interval.
func TestAChangeThatWasNotPublishedIsNoticed(t *testing.T) {
	in(t, func(t *testing.T, h *house) {
		heard := make(chan uint64, 1000)
		sub, err := h.env.Bus(platformtest.Local).Subscribe(t.Context(), platform.Subscription{Topic: "config.revision"}, func(_ context.Context, e *platform.Event) error {
			m := new(configpb.Changed)
			if err := proto.Unmarshal(e.Message.Body, m); err != nil {
				return err
			}
			heard <- m.GetRevision()
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = sub.Close() })

		// It writes without a bus to publish on, as one does that is killed in between.
		silent := config.New(h.store, config.Config{Environment: "test", Listen: "none", Key: key}, platform.Logger(h.env.Logger()))
		if err := silent.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		config.Append(t, silent, "base", `{"a":1}`)
		if err := silent.Close(); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for revision := range heard {
			if revision == 1 {
				break
			}
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("the change was noticed after %v, want within 2 s", took)
		}
		equal(t, "core.eta's", string(h.compile(h.as("core.eta"), layers("core.eta", "")).GetDocument()), `{"a":1}`)
	})
}

func TestAServiceGetsNothingOlderThanItHasHeardOf(t *testing.T) {
	in(t, func(t *testing.T, h *house) {
		other := h.start("none")
		config.Append(t, other, "base", `{"a":1}`) // neither published nor heard of by the first
		r := layers("core.eta", "")
		r.AtLeast = 1
		for range 4 { // whichever instance answers
			equal(t, "compiled", string(h.compile(h.as("core.eta"), r).GetDocument()), `{"a":1}`)
		}
	})
}
