package config_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/platformtest"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

func TestStatusAsksEveryInstance(t *testing.T) {
	in(t, func(t *testing.T, h *house) {
		t.Setenv("HANSOM_ENV", "test")
		h.set(replace("base", `{"a":1}`))
		var eta []*platform.Service
		for range 3 {
			eta = append(eta, platform.New("core.eta", platform.Logger(h.env.Logger()), platform.Place(platformtest.Local)))
		}
		h.env.Start(eta...)
		status := func() string {
			r, err := h.client.Status(t.Context(), &configpb.StatusRequest{Service: "core.eta"})
			if err != nil {
				t.Fatalf("status: %v", err)
			}
			current := 0
			for _, i := range r.GetInstances() {
				if !i.GetStale() {
					current++
				}
			}
			return fmt.Sprintf("%d of %d on %d", current, len(r.GetInstances()), r.GetRevision())
		}
		await(t, 5*time.Second, "all to be current", func() bool { return status() == "3 of 3 on 1" })
		h.set(replace("env/test/core.eta", `{"a":2}`))
		await(t, 5*time.Second, "all to take over the change", func() bool { return status() == "3 of 3 on 2" })
		if got := eta[0].Config().Int("a", 0); got != 2 {
			t.Errorf("an instance runs with a = %d, want 2", got)
		}
		h.set(replace("city/LON", `{}`)) // makes nobody stale
		equal(t, "at once", status(), "3 of 3 on 3")
		h.env.Kill(eta[0])
		equal(t, "with one dead", status(), "2 of 3 on 3")
	})
}
